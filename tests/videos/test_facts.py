"""What a line of the log, a metric or a trace can say about where it comes from."""

import threading

from videos import facts


def test_facts_hold_as_long_as_what_they_are_about():
    with facts.during(request_id="r"):
        with facts.during(video_id="v", attempt=2):
            within = facts.current()
        after = facts.current()

    assert (within, after) == ({"request_id": "r", "video_id": "v", "attempt": 2}, {"request_id": "r"})
    assert facts.current() == {}


def test_what_is_learnt_on_the_way_ends_with_the_request():
    with facts.during(request_id="r"):
        facts.learnt(video_id="v")
        within = facts.current()

    assert within == {"request_id": "r", "video_id": "v"}
    assert facts.current() == {}


def test_what_is_learnt_while_nothing_lasts_is_kept_for_nobody():
    facts.learnt(video_id="v")

    assert facts.current() == {}


def test_a_fact_may_become_known_later():
    known: list[str] = []
    with facts.during(user_id=lambda: known[0] if known else None):
        before = facts.current()
        known.append("u")

        assert (before, facts.current()) == ({}, {"user_id": "u"})


def test_a_thread_knows_them_if_they_are_carried_there():
    seen = []

    def look() -> None:
        seen.append(facts.current())

    with facts.during(video_id="v"):
        for target in (look, facts.carried(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    assert seen[-1] == {"video_id": "v"}
