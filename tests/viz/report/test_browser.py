"""The report in a real browser: it draws, complains of nothing, asks for nothing, and can be read on any screen."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from graphcortex.viz.report import write_report
from tests.viz.report._studies import SHAPES, MadeStudy, evil_claims

WIDTHS = (390, 1440)
FIGURES = ("curves", "metrics", "effects", "space", "matrix")

# Scroll to every figure as a reader does, until plotly says that it has drawn.
DRAW_ALL = """
(async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  for (const figure of document.querySelectorAll("[data-figure]")) {
    figure.scrollIntoView();
    const plot = figure.querySelector(".plot");
    const ready = () => (plot._fullData && plot.querySelector(".main-svg")) || plot.querySelector(".empty");
    for (let tries = 0; tries < 300 && !ready(); tries++) await wait(50);
  }
  scrollTo(0, 0);
  await wait(100);
})()
"""

DRAWN = """
Object.fromEntries([...document.querySelectorAll("[data-figure]")].map((figure) => {
  const plot = figure.querySelector(".plot"), box = plot.getBoundingClientRect();
  const marks = plot.querySelectorAll(".scatterlayer path, .heatmaplayer image").length;
  return [figure.dataset.figure, {
    traces: (plot._fullData || []).length, width: box.width, height: box.height, marks: marks,
    canvas: plot.querySelectorAll(".gl-container canvas").length, label: plot.getAttribute("aria-label"),
  }];
}))
"""

# The colour of every text against what lies behind it, as WCAG 2 defines contrast; the least of all comes first.
CONTRAST = """
(() => {
  const parse = (text) => {
    const part = (text.match(/[\\d.]+/g) || []).map(Number);
    return part.length < 3 ? [0, 0, 0, 0] : [part[0], part[1], part[2], part.length > 3 ? part[3] : 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, words = walker.currentNode.data.trim();
    if (!words || !element.getClientRects().length || element.closest("script, style, noscript, option, .skip")) continue;
    const style = getComputedStyle(element), isSvg = element instanceof SVGElement;
    const ground = behind(isSvg ? element.ownerSVGElement.parentElement : element);
    const [a, b] = [light(over(parse(isSvg ? style.fill : style.color), ground)), light(ground)];
    found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), words.slice(0, 40), isSvg]);
  }
  return found.sort((a, b) => a[0] - b[0]);
})()
"""

OVERFLOW = """
[document.documentElement.scrollWidth - document.documentElement.clientWidth,
 [...document.querySelectorAll("main *, header *, footer *")]
   .filter((e) => !e.parentElement.closest(".scroll, nav, svg, .plot, .skip") && !e.matches(".skip"))
   .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map((e) => e.outerHTML.slice(0, 80))]
"""


def local(requests: list[str], page: Path) -> list[str]:
    """Return the addresses that are neither the page nor bytes that it holds itself."""
    return [url for url in requests if url != page.resolve().as_uri() and not url.startswith(("data:", "blob:"))]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_whole_and_readable(browser, report, width, dark):
    browser.open(report, width=width, dark=dark)
    browser.evaluate(DRAW_ALL)
    drawn = browser.evaluate(DRAWN)
    assert browser.errors == []
    assert local(browser.requests, report) == []
    assert set(drawn) == set(FIGURES)
    for name, found in drawn.items():
        assert found["traces"] >= 1, name
        assert 250 < found["width"] <= width, name
        assert found["height"] > 150, name
        assert found["label"], name
        assert (found["canvas"] if name == "space" else found["marks"]) >= 1, name
    assert browser.evaluate(OVERFLOW) == [0, []]
    contrast = browser.evaluate(CONTRAST)
    assert len(contrast) > 150
    assert any(is_svg for _, _, is_svg in contrast)
    assert contrast[0][0] >= 4.5, contrast[:5]


def test_the_3d_scene_is_painted(browser, report):
    browser.open(report, width=1440)
    browser.evaluate(DRAW_ALL)
    scene = """(async () => {
      const picture = new Image();
      picture.src = await Plotly.toImage("figure-space", { format: "png", width: 500, height: 400 });
      await picture.decode();
      const canvas = Object.assign(document.createElement("canvas"), { width: 500, height: 400 });
      const pen = canvas.getContext("2d");
      pen.drawImage(picture, 0, 0);
      const colours = new Set(), bytes = pen.getImageData(60, 60, 380, 300).data;
      for (let i = 0; i < bytes.length; i += 4) if (bytes[i + 3]) colours.add(bytes.slice(i, i + 3).join());
      return colours.size;
    })()"""
    assert browser.evaluate(scene) > 50
    ends = browser.evaluate("""document.getElementById("figure-space")._fullData.filter((trace) => trace.mode === "lines")
      .flatMap((trace) => trace.x.filter((x) => x !== null)).length""")
    edges = browser.evaluate(
        "JSON.parse(document.getElementById('drawn').textContent).figures.space.specs['0/0'].ends.length"
    )
    assert ends == edges > 50


def test_the_toggle_turns_page_and_figures_over_and_is_remembered(browser, report):
    browser.open(report, width=1440)
    browser.evaluate("localStorage.clear(), location.reload()")
    browser.open(report, width=1440)
    browser.evaluate(DRAW_ALL)
    look = """[getComputedStyle(document.body).backgroundColor, document.getElementById("theme").getAttribute("aria-pressed"),
      ...["curves", "effects"].map((name) => document.getElementById("figure-" + name)._fullData.at(-1).marker.color),
      document.getElementById("figure-space")._fullLayout.scene.xaxis.color,
      document.getElementById("figure-matrix")._fullData[0].colorscale[1][1]]"""
    light = browser.evaluate(look)
    click = 'document.getElementById("theme").click(), new Promise((done) => setTimeout(done, 1500))'
    browser.evaluate(click)
    dark = browser.evaluate(look)
    assert (light[1], dark[1]) == ("false", "true")
    assert all(before != after for before, after in zip(light, dark, strict=True))
    assert browser.evaluate(CONTRAST)[0][0] >= 4.5
    browser.open(report, width=1440)
    assert browser.evaluate(look.split(",")[0] + "]") == dark[:1]
    browser.evaluate(DRAW_ALL)
    browser.evaluate(click)
    assert browser.evaluate(look) == light
    browser.evaluate("localStorage.clear()")
    assert browser.errors == []


def test_a_choice_changes_every_figure_that_depends_on_it(browser, report):
    browser.open(report, width=1440)
    browser.evaluate(DRAW_ALL)
    shown = """[...document.querySelectorAll("[data-figure]")].map((f) => f.querySelector(".plot")).map((p) =>
      JSON.stringify([p._fullData.map((t) => [t.x, t.y, t.z]), (p._fullLayout.title || {}).text]))"""
    before = browser.evaluate(shown)
    pick = """(() => { const s = document.querySelector('[data-figure="curves"] select[data-axis="%s"]') ||
      document.querySelector('select[data-axis="%s"]'); s.value = "1"; s.dispatchEvent(new Event("change"));
      return new Promise((done) => setTimeout(done, 1500)); })()"""
    browser.evaluate(pick % ("group", "group"))
    after = browser.evaluate(shown)
    assert [a != b for a, b in zip(before, after, strict=True)] == [True] * 5
    browser.evaluate(pick % ("variant", "variant"))
    assert [a != b for a, b in zip(after, browser.evaluate(shown), strict=True)] == [False, False, False, True, True]
    values = browser.evaluate("[...document.querySelectorAll('select[data-axis=\"group\"]')].map((s) => s.value)")
    assert values == ["1"] * len(FIGURES)
    assert browser.errors == []


def test_the_links_beside_a_figure_lead_to_its_files(browser, report):
    browser.open(report, width=1440)
    browser.evaluate(DRAW_ALL)
    links = browser.evaluate(
        "[...document.querySelectorAll('.files a')].map((a) => decodeURIComponent(a.getAttribute('href')))"
    )
    assert len(links) == 2 * len(FIGURES)
    assert all((report.parent / link).is_file() for link in links)


def test_text_and_tables_need_no_script(browser, report):
    browser.open(report, width=390, scripts=False)
    try:
        words = browser.evaluate("document.body.innerText")
        for word in (
            "the statement of gain",
            "undecided",
            "W*D*C",
            "graphcortex resume",
            "0.500",
            "This figure needs JavaScript",
        ):
            assert word in words, word
        assert browser.evaluate("getComputedStyle(document.getElementById('theme')).display") == "none"
        assert browser.evaluate(OVERFLOW) == [0, []]
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_study_opens_without_complaint(browser, tmp_path, shape):
    page = write_report(MadeStudy(tmp_path, **SHAPES[shape]), formats=())
    browser.open(page, width=390)
    browser.evaluate(DRAW_ALL)
    assert browser.errors == []
    assert local(browser.requests, page) == []
    assert browser.evaluate(OVERFLOW) == [0, []]
    assert browser.evaluate(CONTRAST)[0][0] >= 4.5
    assert bool(browser.evaluate(DRAWN)) == (shape != "all diverged")


def test_what_data_say_is_text_and_never_a_tag(browser, tmp_path):
    study = MadeStudy(tmp_path)
    evil = "<script>document.title='evil'</script><img src=http://evil.example/x.png onerror=\"document.title='evil'\">"
    # Of a run that diverged no graph is asked for, which no such name could have.
    study.runs.loc[study.runs["variant"] == "W*D*C", ["variant", "diverged_epoch"]] = [evil, 2.0]
    page = write_report(study, reference=evil, formats=(), claims=evil_claims(evil))
    browser.open(page, width=1440)
    browser.evaluate(DRAW_ALL)
    assert browser.evaluate("document.title") == "Study report: synthetic"
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert evil in browser.evaluate("document.getElementById('claims').innerText")
    assert browser.errors == []
    assert local(browser.requests, page) == []


def test_the_page_itself_forbids_every_request(browser, report, tmp_path):
    """Were a script to ask for something, the browser would refuse: shown by one that does."""
    page = tmp_path / "asks.html"
    shutil.copy(report, page)
    asks = "<script>new Image().src = 'http://127.0.0.1:9/x.png'; fetch('http://127.0.0.1:9/').catch(() => 0)</script></body>"
    page.write_text(re.sub(r"</body>\s*</html>\s*$", lambda _: asks + "</html>", page.read_text()))
    browser.open(page, width=1440)
    browser.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert sum("Content Security Policy" in error for error in browser.errors) >= 2
