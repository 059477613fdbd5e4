"""The token of MicronsCAVE: hidden in whatever form it takes, and accepted as it comes out of a file."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcortex
from graphcortex.data import CaveError, MicronsCAVE
from graphcortex.data._cave_token import Mask, Token
from tests.cave_server import Service
from tests.cave_tables import small_tables
from tests.data._cave import TOKEN, alone, dataset  # noqa: F401

PACKAGE = str(Path(graphcortex.__file__).parent)
needs_client = pytest.mark.usefixtures("client")
ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)

QUOTES = str.maketrans({'"': "", "'": "", "\\": ""})
FORMS = {
    "plain": lambda token: token,
    "repr": repr,
    "repr with a line end": lambda token: repr(token + "\n"),
    "repr of bytes": lambda token: repr(f"Bearer {token}\n".encode()),
    "in a URL": lambda token: "https://x/?token=" + quote(token),
    "in a URL, all of it": lambda token: "https://x/?token=" + "".join(f"%{ord(char):02X}" for char in token),
    "in a URL in a URL": lambda token: "https://x/?next=" + quote("https://y/?token=" + quote(token, safe=""), safe=""),
    "JSON": json.dumps,
    "JSON in JSON": lambda token: json.dumps(json.dumps(token)),
    "unicode escapes": lambda token: "".join(f"\\u{ord(char):04x}" for char in token),
    "HTML": lambda token: "".join(f"&#{ord(char)};" for char in token),
    "a header": lambda token: f"{{'Authorization': 'Bearer {token}', 'Cookie': 'middle_auth_token={token}'}}",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@given(token=ASCII, other=ASCII)
def test_every_form_is_masked_as_a_whole(form, token, other):
    """What is left depends on the token in nothing but the kind of quotation marks around it."""
    left = [Mask(name)(f"before {form(name)} after").translate(QUOTES) for name in (token, other)]
    assert "***" in left[0]
    assert left[0] == left[1]


@given(token=ASCII, before=st.text(max_size=7).map(str.encode), after=st.text(max_size=7).map(str.encode))
def test_base64_shows_at_most_a_character_of_it_at_either_end(token, before, after):
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + token.encode() + after).decode()
        masked = Mask(token)(f"Basic {text}")
        assert "***" in masked
        rest = masked.removeprefix("Basic ").split("***")
        assert len(rest) == 2
        assert len(rest[0]) <= 4 * len(before) / 3 + 2
        assert len(rest[1]) <= 4 * len(after) / 3 + 5


@given(token=ASCII, text=st.text())
def test_other_text_is_left_alone(token, text):
    if token not in text:
        assert Mask(None)(text) == Mask("")(text) == text
        assert Mask("short")(text) == text


@pytest.mark.parametrize("given", [TOKEN, f" {TOKEN}", f"{TOKEN}\n", f"\t{TOKEN}\r\n"])
def test_white_space_around_it_is_no_part_of_it(given):
    token = Token(given)
    assert token == TOKEN
    assert repr(token) == "Token('***')"
    assert pickle.loads(pickle.dumps(token)) == TOKEN


@pytest.mark.parametrize(
    "bad", ["", " \n", f"{TOKEN} {TOKEN}", f"{TOKEN}\u2019", f"{TOKEN[:9]}\n{TOKEN[9:]}", b"bytes"]
)
def test_what_cannot_be_sent_is_refused_without_being_shown(bad, tmp_path):
    with pytest.raises(ValueError, match=r"token must be .*got") as caught:
        MicronsCAVE(tmp_path, 1300, token=bad)
    assert TOKEN not in str(caught.value)


# --- with the real client


@pytest.fixture
def client():
    pytest.importorskip("caveclient", reason="caveclient is not installed: pip install 'graphcortex-rnn[cave]'")


@pytest.fixture(scope="module")
def service():
    with Service(small_tables(nuclei=30, synapses=200), token=TOKEN, remember=True) as service:
        yield service


def shown(error: BaseException) -> str:
    """Return all that an error shows, with the locals of our frames, and those behind it, handled or not."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    trace.stack = traceback.StackSummary.from_list(frame for frame in trace.stack if PACKAGE in frame.filename)
    assert trace.stack
    texts = ["".join(trace.format())]
    todo = [error]
    while todo:
        one = todo.pop()
        texts += [repr(one), str(one), repr(vars(one))]
        todo += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "\n".join(texts)


def hidden(text: str) -> bool:
    return Mask(TOKEN)(text) == text


@needs_client
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_repeats_it_shows_it_to_nobody(form, status, service, tmp_path, caplog, capfd, monkeypatch):
    caplog.set_level(logging.DEBUG)
    place = 9
    service.faults.extend(["ok"] * place + [f"say {status} {'.' * 280} {form(TOKEN)}"] * 40)
    with pytest.raises(CaveError) as caught:
        dataset(service, tmp_path / "cache")[0]
    service.faults.clear()
    assert hidden(shown(caught.value))
    assert hidden(caplog.text)
    assert hidden("".join(capfd.readouterr()))
    assert TOKEN[:9] not in str(caught.value)  # no part of it, where the message was cut


@needs_client
def test_a_redirect_with_it_in_the_address_is_not_logged(service, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(service, "login", f"/login?middle_auth_token={quote(TOKEN)}")
    service.faults.extend(["ok"] * 9 + ["login"])
    with pytest.raises(CaveError, match="web page") as caught:
        dataset(service, tmp_path / "cache")[0]
    assert "middle_auth_token=***" in caplog.text
    assert hidden(caplog.text)
    assert hidden(shown(caught.value))


@needs_client
def test_a_file_that_ends_with_a_line_end_is_read(service, tmp_path, monkeypatch):
    secrets = tmp_path / "signed-in" / ".cloudvolume" / "secrets"
    secrets.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "signed-in"))
    (secrets / "cave-secret.json").write_text(json.dumps({"token": f"{TOKEN}\n"}))
    assert dataset(service, tmp_path / "a", token=None)[0].num_neurons
    (secrets / "cave-secret.json").write_text(json.dumps({"token": f"{TOKEN} {TOKEN}"}))
    with pytest.raises(CaveError, match=r"token must be one word .* read from the file of caveclient") as caught:
        dataset(service, tmp_path / "b", token=None)[0]
    assert hidden(str(caught.value))


@needs_client
def test_an_error_of_the_client_itself_is_not_chained(service, tmp_path):
    """Its frames hold the header."""
    service.faults.extend(["ok"] * 9 + ["corrupt"] * 40)
    with pytest.raises(CaveError, match="cannot be read") as caught:
        dataset(service, tmp_path / "cache")[0]
    service.faults.clear()
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert hidden(shown(caught.value))


@needs_client
def test_what_is_made_and_kept_does_not_hold_it(service, tmp_path):
    made = dataset(service, tmp_path / "cache", token=f"{TOKEN}\n")
    graph = made[0]
    assert hidden(repr(made) + repr(vars(made)) + repr(graph) + repr(graph.provenance))
    assert not any(TOKEN.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
