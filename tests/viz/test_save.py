"""Files of figures: whole or not there."""

from __future__ import annotations

import matplotlib
import pytest
from matplotlib.figure import Figure

from graphcortex.viz import save_figure

MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}


def make_figure() -> Figure:
    fig = Figure(figsize=(2, 1))
    fig.add_subplot().plot([1, 2], [3, 4], label="a line")
    return fig


class BrokenFigure(Figure):
    """Stops amid writing, as a full disk would."""

    def savefig(self, fname, **kwargs):
        with open(fname, "wb") as file:
            file.write(b"half")
        raise OSError("no space left on device")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_writes_the_format_of_the_suffix(tmp_path, suffix):
    path = save_figure(make_figure(), tmp_path / f"figure{suffix}")
    assert path == tmp_path / f"figure{suffix}"
    assert path.read_bytes().startswith(MAGIC[suffix.lower()])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_axes_stand_for_the_figure_they_are_in(tmp_path):
    fig = make_figure()
    whole = save_figure(fig, tmp_path / "whole.svg").read_bytes()
    assert save_figure(fig.axes[0], tmp_path / "axes.svg").read_bytes() == whole
    nested = Figure()
    inner = nested.subfigures(1, 2)[1].subfigures(2, 1)[0].add_subplot()
    assert (
        save_figure(inner, tmp_path / "in.svg").read_bytes() == save_figure(nested, tmp_path / "out.svg").read_bytes()
    )


def test_png_has_150_dots_per_inch(tmp_path):
    content = save_figure(make_figure(), str(tmp_path / "figure.png")).read_bytes()
    assert int.from_bytes(content[16:20], "big") == 2 * 150
    assert int.from_bytes(content[20:24], "big") == 1 * 150


def test_text_of_an_svg_stays_text(tmp_path):
    fig = make_figure()
    fig.suptitle("Go/NoGo")
    assert ">Go/NoGo</text>" in save_figure(fig, tmp_path / "figure.svg").read_text()


@pytest.mark.parametrize("suffix", MAGIC)
def test_same_figure_same_bytes(tmp_path, suffix):
    first = save_figure(make_figure(), tmp_path / f"first{suffix}").read_bytes()
    assert save_figure(make_figure(), tmp_path / f"second{suffix}").read_bytes() == first


def test_makes_missing_folders(tmp_path):
    assert save_figure(make_figure(), tmp_path / "a" / "b" / "figure.png").is_file()


def test_a_new_figure_takes_the_place_of_the_old(tmp_path):
    (tmp_path / "figure.png").write_bytes(b"old")
    assert save_figure(make_figure(), tmp_path / "figure.png").read_bytes() != b"old"


def test_where_writing_fails_the_old_file_stays_and_no_half_file_remains(tmp_path):
    (tmp_path / "figure.png").write_bytes(b"old")
    with pytest.raises(OSError, match="no space left"):
        save_figure(BrokenFigure(), tmp_path / "figure.png")
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    assert (tmp_path / "figure.png").read_bytes() == b"old"


def test_settings_of_matplotlib_stay_as_they_were(tmp_path):
    before = dict(matplotlib.rcParams)
    save_figure(make_figure(), tmp_path / "figure.svg")
    assert dict(matplotlib.rcParams) == before


BAD_ARGUMENTS = {
    "no suffix": ((make_figure(), "figure"), r"suffix .* must be one of '.png', '.svg', '.pdf'; got ''"),
    "another format": ((make_figure(), "figure.jpg"), r"suffix .* must be one of .* got '.jpg'"),
    "no figure": (("figure", "figure.png"), r"what must be a matplotlib Figure or Axes, got str"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        save_figure(*arguments)
    assert not list(tmp_path.iterdir())
