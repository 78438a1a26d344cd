-- The loads, for wrk: makes each request, checks each reply, and says in one line of JSON how it went.
--
-- Arguments, as name=value: load, era, host, ours (1: the person is known by a token; 0: by an argument), people,
-- start (how many requests of this load went before),
-- seed, status and needle (once for each text that a right reply holds).

local EACH = 10
local DESCRIPTION = "Two litres from the shop round the corner, before it closes at eight."

local setting = {}
local needles = {}
local expected_status
local people, tasks
local step          -- how far apart the tasks lie that one request after another takes
local head, rest_head

-- Read by done().
wrong = 0
example = ""
issued = 0
ran_out = 0

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

local function greatest_common_divisor(a, b)
    while b ~= 0 do
        a, b = b, a % b
    end
    return a
end

function init(arguments)
    for _, argument in ipairs(arguments) do
        local name, value = argument:match("^(%w+)=(.*)$")
        if name == "needle" then
            table.insert(needles, value)
        elseif name then
            setting[name] = value
        end
    end
    expected_status = tonumber(setting.status)
    people = tonumber(setting.people)
    tasks = people * EACH
    issued = tonumber(setting.start)
    -- Coprime to the number of tasks, so that every task has its turn before any has a second.
    step = math.floor(tasks * 0.618)
    while greatest_common_divisor(step, tasks) ~= 1 do
        step = step + 1
    end
    -- The same people in the same order for every server.
    math.randomseed(tonumber(setting.seed))
    head = "POST /mcp HTTP/1.1\r\nHost: " .. setting.host
        .. "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream"
        .. "\r\nMCP-Protocol-Version: " .. setting.era
    rest_head = " /api/tasks/ HTTP/1.1\r\nHost: " .. setting.host .. "\r\nAccept: application/json"
end

local function authorization(person)
    if setting.ours == "1" then
        return "\r\nAuthorization: Bearer todo_bench" .. string.format("%038d", person)
    end
    return ""
end

-- A JSON-RPC request in the era's form. `params` are its members, as JSON without the braces.
local function rpc(person, method, name, params)
    local names = ""
    if setting.era == "2026-07-28" then
        names = "\r\nMcp-Method: " .. method .. (name and "\r\nMcp-Name: " .. name or "")
        params = params .. (params ~= "" and "," or "") .. '"_meta":{"io.modelcontextprotocol/protocolVersion":'
            .. '"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
    end
    local body = '{"jsonrpc":"2.0","id":' .. issued .. ',"method":"' .. method .. '","params":{' .. params .. "}}"
    return head .. names .. authorization(person) .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

-- A call of a tool. `arguments` are members, as rpc's params are.
local function call(person, tool, arguments)
    if setting.ours == "0" then
        local who = '"user_id":"' .. string.format("bench-%07d", person) .. '"'
        arguments = who .. (arguments ~= "" and "," or "") .. arguments
    end
    return rpc(person, "tools/call", tool, '"name":"' .. tool .. '","arguments":{' .. arguments .. "}")
end

local function title(verb)
    return '"title":"' .. verb .. " milk " .. issued .. '"'
end

local function add(person)
    return call(person, "add_task", title("Buy") .. ',"description":"' .. DESCRIPTION .. '"')
end

local function list(person)
    return call(person, "list_tasks", "")
end

-- A pending task of the person: of ten, those that dataset.py leaves pending.
local PENDING = {0, 2, 3, 5, 6, 8, 9}

local function pending_of(person)
    return PENDING[math.random(#PENDING)] * people + person
end

-- The next task in a walk over all of them, and whose it is.
local function next_task()
    local id = issued * step % tasks + 1
    return id, (id - 1) % people + 1
end

local makers = {}

function makers.mixed()
    local person = math.random(people)
    local kind = math.random(100)
    if kind <= 60 then
        return list(person)
    elseif kind <= 85 then
        return add(person)
    elseif kind <= 95 then
        return call(person, "complete_task", '"task_id":' .. pending_of(person))
    end
    return call(person, "update_task", '"task_id":' .. pending_of(person) .. "," .. title("Get"))
end

function makers.list_tasks()
    return list(math.random(people))
end

function makers.list_crowd()
    return call(people + 1, "list_tasks", '"limit":10')
end

function makers.add_task()
    return add(math.random(people))
end

function makers.complete_task()
    -- Each completion is a real one: the walk leaves out those that are complete already.
    local id, person = next_task()
    while math.floor((id - 1) / people) % 3 == 1 do
        issued = issued + 1
        id, person = next_task()
    end
    return call(person, "complete_task", '"task_id":' .. id)
end

function makers.delete_task()
    if issued >= tasks then
        ran_out = 1
        return list(1)
    end
    local id, person = next_task()
    return call(person, "delete_task", '"task_id":' .. id)
end

function makers.update_task()
    local id, person = next_task()
    return call(person, "update_task", '"task_id":' .. id .. "," .. title("Get"))
end

function makers.tools_list()
    return rpc(math.random(people), "tools/list", nil, "")
end

function makers.greeting()
    if setting.era == "2026-07-28" then
        return rpc(math.random(people), "server/discover", nil, "")
    end
    return rpc(math.random(people), "initialize", nil, '"protocolVersion":"' .. setting.era
        .. '","capabilities":{},"clientInfo":{"name":"bench","version":"1"}')
end

function makers.rest_list()
    return "GET" .. rest_head .. authorization(math.random(people)) .. "\r\n\r\n"
end

function makers.rest_create()
    local body = "{" .. title("Buy") .. ',"description":"' .. DESCRIPTION .. '"}'
    return "POST" .. rest_head .. authorization(math.random(people)) .. "\r\nContent-Type: application/json"
        .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function request()
    local made = makers[setting.load]()
    issued = issued + 1
    return made
end

function response(status, headers, body)
    local right = status == expected_status
    for i = 1, #needles do
        right = right and body:find(needles[i], 1, true) ~= nil
    end
    if not right then
        wrong = wrong + 1
        if example == "" then
            example = status .. " " .. body:sub(1, 500):gsub("[^%g ]", " "):gsub('[\\"]', "'")
        end
    end
end

function done(summary, latency, requests)
    local wrongs, issues, empty, first = 0, 0, 0, ""
    for _, thread in ipairs(threads) do
        wrongs = wrongs + thread:get("wrong")
        issues = issues + thread:get("issued")
        empty = empty + thread:get("ran_out")
        if first == "" then
            first = thread:get("example")
        end
    end
    local lost = summary.errors
    io.write(string.format(
        '\nRESULT {"requests":%d,"microseconds":%d,"bytes":%d,"wrong":%d,"lost":%d,"issued":%d,"ran_out":%d,'
            .. '"p50":%d,"p95":%d,"p99":%d,"example":"%s"}\n',
        summary.requests, summary.duration, summary.bytes, wrongs,
        lost.connect + lost.read + lost.write + lost.timeout, issues, empty,
        latency:percentile(50), latency:percentile(95), latency:percentile(99), first))
end
