import inspect

import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from benchmarks import speech_table
from benchmarks.recordings import Heard
from benchmarks.speech_table import SETTINGS, Row
from local import speech_model
from transcripts.worker import speech


def row(cpu: float, errors: float) -> Row:
    return Row("beam 1", wall=10.0, cpu=cpu, peak_mb=300.4, heard=Heard({"talk": errors, "reading": 0.0}, 0.995))


def test_a_row_says_what_an_hour_costs_and_what_is_wrong():
    assert speech_table.markdown([row(20, 0.031)], seconds=200).splitlines() == [
        "| setting | × real time | CPU s per hour | peak MB | wrong: talk | wrong: reading | words heard |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| beam 1 | 20.0 | 360 | 300 | 3.1% | 0.0% | 99.5% |",
    ]


def test_of_several_times_the_least_cost_counts_and_the_middle_of_the_errors():
    assert speech_table.best([row(22, 0.02), row(20, 0.03), row(25, 0.04)]) == row(20, 0.03)


def test_a_table_takes_the_place_of_the_one_before():
    page = "Above\n<!-- table base -->\nold\n<!-- end base -->\nbelow\n"

    once = speech_table.put(page, "base", "| new |")

    assert once == "Above\n<!-- table base -->\n\n| new |\n\n<!-- end base -->\nbelow\n"
    assert speech_table.put(once, "base", "| new |") == once


def test_a_page_without_a_place_for_it_is_not_touched():
    with pytest.raises(ValueError, match="table small"):
        speech_table.put("<!-- table base -->\n<!-- end base -->", "small", "| new |")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_changes_what_the_engine_knows(setting):
    known = inspect.signature((BatchedInferencePipeline if setting.batch else WhisperModel).transcribe).parameters

    assert speech.OPTIONS.keys() | setting.options.keys() <= known.keys()
    assert setting.options.items().isdisjoint(speech.OPTIONS.items()) or not setting.options


def test_the_first_setting_is_the_workers_own_and_no_other_is_like_it():
    first, *others = SETTINGS

    assert (first.options, first.batch) == ({}, 0)
    assert first.slice_seconds == inspect.signature(speech.FasterWhisper).parameters["slice_seconds"].default
    assert f"beam {speech.OPTIONS['beam_size']}" in first.name
    assert all(other[1:] != first[1:] for other in others)


def test_a_setting_is_what_the_engine_is_asked_with(monkeypatch):
    monkeypatch.setattr(speech, "OPTIONS", dict(speech.OPTIONS))

    engine = speech_table.engine(str(speech_model.folder()), SETTINGS[-1])

    assert speech.OPTIONS["beam_size"] == SETTINGS[-1].options["beam_size"]
    assert isinstance(engine._whisper, BatchedInferencePipeline)


def test_the_page_has_a_row_for_each_setting_and_model():
    page = speech_table.PAGE.read_text("utf-8")

    assert {setting.name: page.count(f"| {setting.name} |") for setting in SETTINGS} == {
        setting.name: page.count("<!-- table ") for setting in SETTINGS
    }
