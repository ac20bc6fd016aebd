// Draws the plots of the admin's front page, and asks how full the queue is. Data comes as JSON within the page.
"use strict";

const COLOURS = {
  submitted: ["#2563eb", "#60a5fa"],
  completed: ["#15803d", "#4ade80"],
  failed: ["#b91c1c", "#f87171"],
};
// For series without a meaning of their own: told apart also by those who see few colours.
const OTHERS = [
  ["#2563eb", "#60a5fa"], ["#b45309", "#fbbf24"], ["#7c3aed", "#c4b5fd"],
  ["#0f766e", "#2dd4bf"], ["#be185d", "#f9a8d4"], ["#4b5563", "#d1d5db"],
];

const FEW = 12;

function dark() {
  return document.documentElement.classList.contains("dark");
}

function colour(label, index) {
  return (COLOURS[label] || OTHERS[index % OTHERS.length])[dark() ? 1 : 0];
}

function spelled(seconds) {
  if (seconds >= 7200) return `${+(seconds / 3600).toPrecision(3)} h`;
  if (seconds >= 120) return `${+(seconds / 60).toPrecision(3)} min`;
  return `${+seconds.toPrecision(3)} s`;
}

function drawn(figure) {
  const canvas = document.getElementById(figure.id);
  if (!canvas) return null;
  const text = dark() ? "#d1d5db" : "#374151";
  const lines = dark() ? "#ffffff1a" : "#0000001a";
  const times = figure.unit === "seconds";
  const shown = (value) => (times ? spelled(value) : value.toLocaleString("en"));
  const datasets = Object.entries(figure.series).map(([label, data], index) => ({
    label,
    data,
    backgroundColor: colour(label, index),
    borderColor: colour(label, index),
    borderWidth: times ? 2 : 0,
    borderDash: label.endsWith("95th") ? [5, 4] : [],
    // A line needs two points: few are drawn as such, so that the first hour of a service is seen.
    pointRadius: times && data.filter((value) => value !== null).length <= FEW ? 3 : 0,
    pointHitRadius: 8,
    spanGaps: true,
    tension: 0.25,
  }));
  return new Chart(canvas, {
    type: times ? "line" : "bar",
    data: { labels: figure.labels, datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      color: text,
      scales: {
        x: {
          stacked: figure.stacked,
          grid: { display: false },
          ticks: { color: text, maxRotation: 0, autoSkipPadding: 16 },
        },
        y: {
          type: times ? "logarithmic" : "linear",
          stacked: figure.stacked,
          beginAtZero: !times,
          grid: { color: lines },
          border: { display: false },
          ticks: { color: text, precision: 0, maxTicksLimit: 6, callback: shown },
        },
      },
      plugins: {
        legend: { position: "bottom", labels: { color: text, boxWidth: times ? 28 : 12, boxHeight: 12, usePointStyle: times, pointStyle: "line" } },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${shown(item.parsed.y)}` } },
      },
    },
  });
}

function draw() {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  let charts = figures.map(drawn);
  new MutationObserver(() => {
    charts.forEach((chart) => chart && chart.destroy());
    charts = figures.map(drawn);
  }).observe(document.documentElement, { attributeFilter: ["class"] });
}

async function askQueue() {
  const panel = document.getElementById("queue");
  const say = (name, value) => {
    document.querySelector(`[data-of="${name}"]`).textContent = value;
  };
  let found;
  try {
    const answer = await fetch(panel.dataset.source, { headers: { Accept: "application/json" } });
    found = await answer.json();
  } catch {
    found = { error: "The queue could not be asked. Load this page again." };
  }
  if (found.error) {
    panel.classList.add("bad");
    say("waiting", "–");
    say("note", found.error);
    say("dead", "–");
    return;
  }
  say("waiting", found.waiting.toLocaleString("en"));
  say("note", `${found.in_flight} with a worker, ${found.delayed} delayed`);
  say("dead", found.dead === null ? "–" : found.dead.toLocaleString("en"));
  say("dead-note", found.dead === null ? "the queue has none: set a redrive policy" : found.dead ? "see manage.py redrive" : "");
  document.getElementById("dead-letters").classList.toggle("bad", Boolean(found.dead));
}

if (document.getElementById("figures")) {
  draw();
  askQueue();
}
