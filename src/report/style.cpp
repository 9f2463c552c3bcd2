#include "report/style.h"

namespace cp {

const char* const kPageStyle = R"css(:root {
  --paper: #fdfdfb; --ink: #1a1e23; --muted: #59626c; --rule: #d5d8dc; --soft: #f1f2ef;
  --model: #1f5fa8; --floor: #868c93; --flagfloor: #b06f12; --good: #1a7a56; --bad: #b03428;
  --band: rgba(31, 95, 168, .15); --s1: #b8541c; --s2: #2d7d46; --s3: #7b4bab; --s4: #97710c; --s5: #a83266;
  --sans: system-ui, "Helvetica Neue", Arial, sans-serif;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4", Georgia, "Liberation Serif", "DejaVu Serif", serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171a; --ink: #e4e7ea; --muted: #9ba5af; --rule: #333a41; --soft: #1c2025;
  --model: #82b4ef; --floor: #8d959e; --flagfloor: #dba54a; --good: #5cc699; --bad: #f18d81;
  --band: rgba(130, 180, 239, .2); --s1: #eb9765; --s2: #7cc791; --s3: #bd9be6; --s4: #d9b54f; --s5: #ea88b0;
} }
html[lang^=zh] { --serif: "Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", "WenQuanYi Micro Hei", serif;
  --sans: system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Micro Hei", sans-serif; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 40px 24px 72px; max-width: 1080px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 var(--serif); overflow-wrap: break-word; }
h1 { font-size: 31px; line-height: 1.15; margin: 0 0 6px; font-weight: 600; letter-spacing: -.01em; }
h2 { font-size: 22px; line-height: 1.25; margin: 48px 0 14px; padding-top: 14px; border-top: 1px solid var(--rule); font-weight: 600; }
h3 { font: 600 15px/1.35 var(--sans); margin: 30px 0 8px; }
h2 .n { color: var(--muted); font-weight: 400; margin-right: .5em; font-variant-numeric: tabular-nums; }
p { margin: 0 0 12px; max-width: 44em; }
a { color: var(--model); text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--model); outline-offset: 2px; }
.sub, .cap, .key, nav, table, figure, dl, details, button, output { font-family: var(--sans); }
.sub { color: var(--muted); font-size: 14px; margin: 0; }
.lead { font-size: 18px; line-height: 1.5; margin: 20px 0 22px; max-width: 40em; }
.cap { color: var(--muted); font-size: 13px; line-height: 1.45; margin: 8px 0 0; max-width: 62em; }
.none { color: var(--muted); font-style: italic; }
html[lang^=zh] .none { font-style: normal; }
.missing { border-left: 3px solid var(--rule); padding: 2px 0 2px 12px; color: var(--muted); font-size: 15px; }
nav { font-size: 13px; margin: 22px 0 0; border-top: 1px solid var(--rule); padding: 9px 0 0; }
header + main > section:first-child h2 { margin-top: 22px; }
nav ol { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0; padding: 0; }
nav a { text-decoration: none; } nav a:hover { text-decoration: underline; }
nav .n { color: var(--muted); margin-right: .35em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; line-height: 1.4; margin: 0; width: 100%; font-variant-numeric: tabular-nums lining-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 6px; }
th, td { padding: 5px 10px; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
thead th { font-weight: 500; color: var(--muted); font-size: 12.5px; line-height: 1.3; vertical-align: bottom; border-bottom-color: var(--muted); }
tbody th { font-weight: 400; }
tr.group th { font-weight: 600; padding-top: 14px; border-bottom-color: var(--muted); }
.num { text-align: right; white-space: nowrap; }
.ci { color: var(--muted); font-size: 12px; margin-left: .55em; }
.v { font-weight: 600; }
.up { color: var(--good); } .down { color: var(--bad); }
td.strip { width: 30%; min-width: 150px; padding-top: 2px; padding-bottom: 0; vertical-align: middle; }
td.strip svg { display: block; width: 100%; height: 22px; }
.grid3 { display: grid; gap: 26px 28px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); margin: 14px 0 0; }
.grid4 { display: grid; gap: 18px 20px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 215px), 1fr)); margin: 10px 0 0; }
.wide2 { display: grid; gap: 26px 36px; grid-template-columns: minmax(0, 4fr) minmax(0, 5fr); align-items: start; }
.wide2.flip { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 13px; line-height: 1.4; color: var(--muted); margin: 2px 0 0; }
figcaption b { color: var(--ink); font-weight: 600; }
svg { display: block; max-width: 100%; }
svg.plot, svg.flow { width: 100%; height: auto; }
svg.plot { max-width: 420px; }
svg text { font-family: var(--sans); fill: var(--ink); font-size: 11px; font-variant-numeric: tabular-nums; }
svg .tick, svg .label { fill: var(--muted); font-size: 10.5px; } svg .note { font-size: 10.5px; }
svg .grid { stroke: var(--rule); stroke-width: .7; fill: none; } svg .axis { stroke: var(--muted); stroke-width: .8; fill: none; }
svg .line { fill: none; stroke-width: 1.6; stroke: var(--model); stroke-linejoin: round; }
svg .line.floor { stroke: var(--floor); stroke-dasharray: 4 3; stroke-width: 1.2; }
svg .line.ideal { stroke: var(--muted); stroke-dasharray: 1.5 3; stroke-width: 1.2; }
svg .line.thin { stroke-width: .9; opacity: .75; }
svg .band { fill: var(--band); } svg .bar { fill: var(--model); opacity: .8; } svg .bar.pale { fill: var(--floor); opacity: .35; }
svg .dot { fill: var(--model); stroke: var(--paper); stroke-width: 1.2; } svg .dot.second { fill: var(--s1); }
svg .whisker { stroke: var(--model); stroke-width: 1.4; fill: none; }
svg .s1 { stroke: var(--s1); } svg .s2 { stroke: var(--s2); } svg .s3 { stroke: var(--s3); } svg .s4 { stroke: var(--s4); } svg .s5 { stroke: var(--s5); }
.key { font-size: 12.5px; color: var(--muted); display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 0; padding: 0; list-style: none; }
.key svg { display: inline-block; vertical-align: -3px; margin-right: 6px; width: 24px; height: 14px; }
svg.flow rect { fill: var(--soft); stroke: var(--rule); } svg.flow rect.hot { stroke: var(--model); }
svg.flow path { stroke: var(--muted); fill: none; stroke-width: 1.2; } svg.flow .head { fill: var(--muted); stroke: none; }
svg.flow .name { font-weight: 600; font-size: 12.5px; } svg.flow .shape { fill: var(--muted); font-size: 11px; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); gap: 30px 34px; margin: 16px 0 0; }
.case { min-width: 0; } .case h4 { font: 500 12.5px/1.4 var(--sans); color: var(--muted); margin: 0 0 6px; display: flex; flex-wrap: wrap; gap: 0 12px; justify-content: space-between; }
.case .say { font-size: 16px; line-height: 1.4; margin: 8px 0 4px; }
.case .facts { font: 12.5px/1.5 var(--sans); color: var(--muted); margin: 0; font-variant-numeric: tabular-nums; }
.case details { font-size: 12.5px; color: var(--muted); margin: 3px 0 0; } .case ul { margin: 4px 0 0; padding-left: 18px; }
details { font-size: 13.5px; } summary { cursor: pointer; } .nb { white-space: nowrap; }
.trio { display: grid; grid-template-columns: 1fr 2fr; grid-template-rows: 1fr 1fr; gap: 5px; }
.trio > :nth-child(3) { grid-column: 2; grid-row: 1 / 3; }
.trio figure { position: relative; } .trio svg { width: 100%; height: 100%; background: var(--soft); }
.trio figcaption { position: absolute; left: 0; top: 0; margin: 0; font-size: 11px; line-height: 1; padding: 3px 6px; color: #fff; background: rgba(0, 0, 0, .55); }
.m-truth { fill: rgba(60, 220, 140, .22); stroke: #3ddc8c; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.m-rim { fill: none; stroke: rgba(0, 0, 0, .6); stroke-width: 3.6; vector-effect: non-scaling-stroke; }
.m-region { fill: none; stroke: #40e0ff; stroke-width: 1.7; vector-effect: non-scaling-stroke; }
.m-point { fill: none; stroke: #ffec40; stroke-width: 2; vector-effect: non-scaling-stroke; }
.m-target { fill: none; stroke: #3ddc8c; stroke-width: 2; vector-effect: non-scaling-stroke; }
.m-sample { fill: #fff; fill-opacity: .85; stroke: rgba(0, 0, 0, .65); stroke-width: 1; vector-effect: non-scaling-stroke; }
.film { display: flex; align-items: center; gap: 10px; font: 12.5px/1.2 var(--sans); color: var(--muted); margin: 7px 0 0; }
.film input { flex: 1; min-width: 60px; margin: 0; accent-color: var(--model); }
.film button { font: inherit; color: var(--ink); background: var(--soft); border: 1px solid var(--rule); border-radius: 3px; padding: 5px 10px; cursor: pointer; min-width: 4.6em; }
.film output { min-width: 5.4em; text-align: right; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: minmax(0, auto) minmax(0, 1fr); gap: 4px 18px; margin: 0; font-size: 13.5px; }
dt { color: var(--muted); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
code, pre { font: 12.5px/1.5 var(--mono); } pre { overflow-x: auto; background: var(--soft); padding: 12px 14px; margin: 8px 0 0; }
footer { margin-top: 56px; border-top: 1px solid var(--rule); padding-top: 12px; }
@media (max-width: 760px) { .wide2, .wide2.flip { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 560px) {
  body { padding: 24px 16px 56px; } h1 { font-size: 25px; } h2 { font-size: 20px; margin-top: 44px; } .lead { font-size: 16.5px; }
  table { font-size: 13px; } th, td { padding: 5px 6px; } .ci { display: block; margin: 0; font-size: 11px; line-height: 1.25; }
  td.strip, th.strip { display: none; } thead th { font-size: 11.5px; }
}
@media print { nav, .film { display: none; } body { max-width: none; padding: 0; } .case, figure, tr { break-inside: avoid; } }
)css";

const char* const kPageScript = R"js(<script>
"use strict";
document.querySelectorAll(".film").forEach(function (film) {
  var steps = film.dataset.steps.split(";").map(function (step) { return step.split(" "); });
  var dots = document.getElementById(film.dataset.dots).children;
  var wide = +film.dataset.width, high = +film.dataset.height;
  var slider = film.querySelector("input"), shown = film.querySelector("output"), play = film.querySelector("button");
  var timer = 0;
  film.hidden = false;
  function show() {
    var step = steps[+slider.value];
    for (var i = 0; i < dots.length; ++i) {
      var place = step[i].split(",");
      dots[i].setAttribute("cx", place[0] / 1000 * wide);
      dots[i].setAttribute("cy", place[1] / 1000 * high);
    }
    var text = slider.value + " / " + (steps.length - 1);
    shown.textContent = text;
    slider.setAttribute("aria-valuetext", text);
  }
  function stop() { clearInterval(timer); timer = 0; play.textContent = play.dataset.play; }
  slider.addEventListener("input", function () { stop(); show(); });
  play.addEventListener("click", function () {
    if (timer) { stop(); return; }
    slider.value = 0; show();
    play.textContent = play.dataset.stop;
    timer = setInterval(function () {
      slider.value = +slider.value + 1; show();
      if (+slider.value >= steps.length - 1) stop();
    }, 400);
  });
  show();
});
</script>
)js";

}  // namespace cp
