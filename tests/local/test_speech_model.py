import pytest

from local import speech_model


def test_it_finds_the_small_model_in_its_wheel():
    folder = speech_model.folder()

    assert {"model.bin", "config.json", "tokenizer.json"} <= {file.name for file in folder.iterdir()}


def test_it_refuses_other_weights(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"not what we know")

    with pytest.raises(speech_model.ModelError, match=r"is not Whisper tiny\.en"):
        speech_model.checked(tmp_path)


def test_it_says_where_weights_are_missing(tmp_path):
    with pytest.raises(speech_model.ModelError, match="missing"):
        speech_model.checked(tmp_path)


def test_it_says_how_to_install_the_model(monkeypatch):
    monkeypatch.setattr(speech_model, "PACKAGE", "a_package_that_nobody_has")

    with pytest.raises(speech_model.ModelError, match=r"pip install -r local/requirements\.txt"):
        speech_model.folder()
