"""Pictures: the bars of an SVG are the numbers that they show."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tasks.quantization import pictures
from tasks.quantization.pictures import HEIGHT, MARGIN, WIDTH, Panel, main, svg

SPACE = "{http://www.w3.org/2000/svg}"


def bars(picture: str) -> dict[tuple[str, str], list[float]]:
    """Stage and kind to the values of the bars, from their heights."""
    found = {}
    for group in ElementTree.fromstring(picture).iter(f"{SPACE}g"):
        top = float(group.attrib["data-top"])
        for path in group.iter(f"{SPACE}path"):
            if "class" in path.attrib:
                heights = re.findall(r"v-([\d.]+)h", path.attrib["d"].replace("v0.000", "v-0.000"))
                values = [float(height) / HEIGHT * top for height in heights]
                found[group.attrib["data-stage"], path.attrib["class"]] = values
    return found


PANELS = [
    Panel("before", [1.0, 8.0, 0.0], [0.5, 2.0, 0.0]),
    Panel("after", [2.0, 2.5, 1.0], [1.0, 1.0, 0.25]),
]


@pytest.mark.parametrize("common", [False, True])
def test_bars_are_as_high_as_their_values(common: bool) -> None:
    found = bars(svg("a title", PANELS, common))
    for panel in PANELS:
        assert found[panel.name, "largest"] == pytest.approx(panel.largest, abs=8 / HEIGHT / 100)
        assert found[panel.name, "mean"] == pytest.approx(panel.mean, abs=8 / HEIGHT / 100)


def test_scales_are_their_own_or_common() -> None:
    tops = [re.findall(r'data-top="([\d.]+)"', svg("t", PANELS, common)) for common in (False, True)]
    assert tops == [["8", "2.5"], ["8", "8"]]


def test_bars_fill_the_width_side_by_side() -> None:
    found = re.search(r'class="largest"[^>]* d="([^"]+)"', svg("t", PANELS[:1]))
    assert found is not None
    starts = [float(x) for x in re.findall(r"M([\d.]+) ", found[1])]
    assert starts == pytest.approx([MARGIN + k * WIDTH / 3 for k in range(3)], abs=0.01)


def test_names_are_escaped_and_zeros_drawn() -> None:
    picture = svg("<a & b>", [Panel("x<y", [0.0], [0.0])])
    assert ElementTree.fromstring(picture).findtext(f"{SPACE}title") == "<a & b>"
    assert bars(picture) == {("x<y", "largest"): [0.0], ("x<y", "mean"): [0.0]}
    with pytest.raises(ValueError, match="as many means as maxima"):
        Panel("x", [1.0], [])


def test_the_command_writes_a_picture_for_each_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--method", "rtn", "--profile", "smoke", "--out", str(tmp_path / "new"), "--layers", "0", "2"]
    assert main([*options, "--sites", "qkv", "down"]) == 0
    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == [f"lm-icl-rtn-W4A4KV4-layer{k}-{site}.svg" for k in (0, 2) for site in ("down", "qkv")]
    assert len(capsys.readouterr().out.splitlines()) == 4
    found = bars((tmp_path / "new" / written[0]).read_text())
    assert len(found["before", "largest"]) == 448 and ("after", "mean") in found


def test_what_is_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--method", "rtm", "--out", str(tmp_path)]) == 2
    assert "method 'rtm' not found; did you mean 'rtn'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--method", "rtn", "--sites", "mlp", "--out", str(tmp_path)])
    assert pictures.parser().parse_args(["--method", "rtn", "--out", "x"]).layers == [1]


def test_a_precision_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--method", "rtn", "--out", str(tmp_path), "--precision", "W4"]) == 2
    assert capsys.readouterr().err == (
        "error: --precision: precision 'W4': write it like W4A4KV4, W8A8, W4A16 or W3A16g128\n"
    )
