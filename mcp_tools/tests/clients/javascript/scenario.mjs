// What both TypeScript SDKs are put through, whose clients have the same methods. It is scenario.py's twin.

import { deepStrictEqual as same } from "node:assert/strict";

/** The SDK's transport to a URL with a token, or to a command that starts the server. */
export function transportOf(Http, Stdio, [kind, ...rest]) {
  if (kind === "http") {
    const [url, token] = rest;
    return new Http(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${token}` } } });
  }
  const [command, ...args] = rest;
  return new Stdio({ command, args, env: process.env });
}

const TOOLS = ["add_task", "list_tasks", "complete_task", "delete_task", "update_task"];

/** Add, list, page, complete, update and delete; good arguments and bad. `client` is connected. */
export async function run(client) {
  same(client.getServerVersion().name, "todoproj");

  // From here on the client checks every reply against the tool's outputSchema.
  const { tools } = await client.listTools();
  same(tools.map((tool) => tool.name), TOOLS);
  same(tools.filter((tool) => !tool.outputSchema), []);

  const call = async (name, args = {}) => {
    const result = await client.callTool({ name, arguments: args });
    same(JSON.parse(result.content[0].text), result.structuredContent);
    same(result.isError, result.structuredContent.status === "error");
    return result.structuredContent;
  };
  const list = async (args) => (await call("list_tasks", args)).data.tasks.map((task) => task.task_id);

  const ids = [];
  for (const title of ["Buy milk", "日本語 🥛", 'a "quoted" title']) {
    const added = await call("add_task", { title, description: "Two litres" });
    same([added.status, added.data.title], ["success", title]);
    ids.push(added.data.task_id);
  }
  const newestFirst = ids.toReversed();
  same(await list(), newestFirst);

  const paged = [];
  let cursor;
  do {
    const { data } = await call("list_tasks", { limit: 2, ...(cursor && { cursor }) });
    paged.push(...data.tasks.map((task) => task.task_id));
    cursor = data.next_cursor;
  } while (cursor !== null);
  same(paged, newestFirst);

  for (const already of [false, true]) {
    same((await call("complete_task", { task_id: ids[0] })).data.already_completed, already);
  }
  same(await list({ status: "pending" }), [ids[2], ids[1]]);

  const updated = await call("update_task", { task_id: ids[1], title: "New", description: "" });
  same(updated.data.updated_fields, ["title", "description"]);
  for (const task_id of ids) {
    same((await call("delete_task", { task_id })).status, "success");
  }

  const refusals = [
    ["add_task", {}, 400],
    ["add_task", { title: "x", nonsense: 1 }, 400],
    ["list_tasks", { status: "done" }, 400],
    ["complete_task", { task_id: ids[0] }, 404],
    ["delete_task", { task_id: ids[0] }, 404],
    ["update_task", { task_id: ids[0], title: "x" }, 404],
    ["list_tasks", { user_id: "somebody-else" }, 404],
  ];
  for (const [tool, args, code] of refusals) {
    const refused = await call(tool, args);
    same([refused.status, refused.data.error_code], ["error", code]);
  }
  same(await list(), []);
}
