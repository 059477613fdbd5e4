import json
import os

import pytest

from graphcortex._atomic import write_text
from graphcortex.study import RunKey
from graphcortex.study.failure import Failure
from graphcortex.study.store import StoreError, _read_json

KEY = RunKey(connectome="a", protocol="published", recurrence="free", task="go_nogo", variant="W", seed=0)


def test_bytes_that_are_no_text_stand_in_a_message_as_escapes(tmp_path):
    name = os.fsdecode(b"field-\xff\xfe.pt")
    try:
        raise FileNotFoundError(name)
    except FileNotFoundError as error:
        failure = Failure.of(KEY, error)
    assert r"field-\udcff\udcfe.pt" in failure.error
    for text in (failure.error, failure.traceback, str(failure)):
        text.encode("utf-8")
    assert r"\udcff" in Failure(KEY, json.loads(r'"\udcff"')).error
    write_text(tmp_path / "page.html", f"<p>{name}</p>")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == r"<p>field-\udcff\udcfe.pt</p>"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": ' + "9" * 10_000 + "}", "\x00", "[]"], ids=["deep", "long", "zero", "list"]
)
def test_a_damaged_json_file_has_a_named_error(text, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match="cannot be read"):
        _read_json(tmp_path / "manifest.json")
