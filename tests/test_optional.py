import json
import sys

import pytest

from graphcortex._optional import MissingDependencyError, is_installed, require


def test_an_installed_module_is_returned_also_by_dotted_name():
    assert require("json", "test", "Reading") is json
    assert require("json.decoder", "test", "Reading") is json.decoder


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_a_missing_package_names_its_extra(module):
    with pytest.raises(
        MissingDependencyError, match=r"^Drawing needs no_such_package, .*pip install 'graphcortex-rnn\[draw\]'\.$"
    ):
        require(module, "draw", "Drawing")
    assert issubclass(MissingDependencyError, ImportError)


def test_a_package_that_lacks_something_itself_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package") as caught:
        require("half_there", "draw", "Drawing")
    assert not isinstance(caught.value, MissingDependencyError)


def test_is_installed_finds_without_importing(tmp_path, monkeypatch):
    (tmp_path / "never_imported.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert is_installed("never_imported")
    assert "never_imported" not in sys.modules
    assert not is_installed("no_such_package")
