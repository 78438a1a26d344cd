// Draws each chart from the table under it, which is there without a script as well, in the colours of the page.
"use strict";

const charts = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A number that there is not leaves a gap: it is not the same as 0.
function valueOf(cell) {
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

// Each as it is drawn: a point, whose style Chart.js takes, knows nothing of the dashes between points.
function legend(chart) {
  const labels = Chart.defaults.plugins.legend.labels.generateLabels(chart);
  return labels.map((label) => {
    const { borderDash, borderWidth } = chart.data.datasets[label.datasetIndex];
    return { ...label, pointStyle: "line", lineDash: borderDash, lineWidth: borderWidth };
  });
}

function draw(figure) {
  const table = figure.querySelector("table");
  const rows = [...table.tBodies[0].rows].filter((row) => row.querySelector("[data-value]"));
  const drawn = [...table.tHead.rows[0].cells].slice(1, 1 + Number(figure.dataset.drawn));
  const lines = figure.dataset.shape === "line";
  const sideways = figure.dataset.shape === "bars";
  const unit = figure.dataset.unit ? ` ${figure.dataset.unit}` : "";
  const colours = [colour("--link-fg"), colour("--chart-second")];
  const quiet = colour("--body-quiet-color");
  const values = { beginAtZero: true, ticks: { color: quiet, precision: 0 }, grid: { color: colour("--hairline-color") } };
  const labels = { ticks: { color: quiet, maxRotation: 0, autoSkipPadding: 16 }, grid: { display: false } };
  return new Chart(figure.querySelector("canvas"), {
    type: lines ? "line" : "bar",
    data: {
      labels: rows.map((row) => row.cells[0].textContent),
      datasets: drawn.map((head, number) => ({
        label: head.textContent,
        data: rows.map((row) => valueOf(row.cells[head.cellIndex])),
        borderColor: colours[number],
        backgroundColor: colours[number],
        borderDash: number ? [6, 3] : [],
        borderWidth: lines ? 2 : 0,
        pointRadius: 2,
      })),
    },
    options: {
      animation: false,
      indexAxis: sideways ? "y" : "x",
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false, axis: sideways ? "y" : "x" },
      scales: sideways ? { x: values, y: labels } : { x: labels, y: values },
      plugins: {
        legend: {
          display: drawn.length > 1,
          labels: { color: colour("--body-fg"), usePointStyle: lines, pointStyleWidth: 30, generateLabels: legend },
        },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${item.formattedValue}${unit}` } },
      },
    },
  });
}

function drawAll() {
  while (charts.length) {
    charts.pop().destroy();
  }
  charts.push(...[...document.querySelectorAll(".chart")].map(draw));
}

for (const figure of document.querySelectorAll(".chart")) {
  figure.querySelector(".canvas").hidden = false;
  figure.querySelector("details").open = false;
}
drawAll();
// The page's colours follow the system, or the switch at its top.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
