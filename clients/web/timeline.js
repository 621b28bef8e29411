// A table of the stages, with a bar for the time in which each made its output. The server measures the times.

const seconds = (ms) => (ms / 1000).toFixed(2);

/**
 * @param {{stage, output_count, queue_ms, compute_ms, first_output_ms, last_output_ms}[]} stages of `finished`
 * @returns {HTMLTableRowElement[]}
 */
export function timelineRows(stages) {
  const end = Math.max(1, ...stages.map((stage) => stage.last_output_ms));
  return stages.map((stage) => {
    const row = document.createElement("tr");
    const name = Object.assign(document.createElement("th"), { scope: "row", textContent: stage.stage });
    const texts = [stage.output_count, `${Math.round(stage.queue_ms)} ms`, `${Math.round(stage.compute_ms)} ms`];
    row.append(name, ...texts.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    row.append(outputTimes(stage, end));
    return row;
  });
}

/** The times as text, which a screen reader reads, and as a bar. */
function outputTimes({ first_output_ms: first, last_output_ms: last }, end) {
  const cell = document.createElement("td");
  cell.className = "times";
  cell.textContent = `${seconds(first)} to ${seconds(last)} s`;
  const bar = document.createElement("span");
  bar.className = "bar";
  bar.ariaHidden = "true";
  bar.style.marginLeft = `${(100 * first) / end}%`;
  bar.style.width = `${(100 * (last - first)) / end}%`;
  cell.append(bar);
  return cell;
}
