"""A row that cannot fail proves nothing: with a guard taken away, the rows that it is there for must fail."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.faults import (
    bugs,
    test_api,
    test_breaker,
    test_clock,
    test_database,
    test_decoder,
    test_deletion,
    test_queue,
    test_worker,
)
from tests.faults.world import World

pytestmark = pytest.mark.faults

MODULES = (test_api, test_breaker, test_clock, test_database, test_decoder, test_deletion, test_queue, test_worker)
PATIENCE = 0.35  # of what a row would wait for: here it waits in vain

# What each row says that notices; rows by the beginning of their names.
CAUGHT: dict[Callable[[], None], dict[str, str]] = {
    bugs.no_fence: {"w14": "'completed' == 'processing'"},
    bugs.blind_completion: {"w08": "take 1", "w14": "'completed' == 'processing'"},
    bugs.saved_completion: {"x02": "I7 completed, with 0 attempts|'completed' == 'deleted'"},
    bugs.no_limit_of_attempts: {"w11": "I7 attempt 4 of 3"},
    bugs.claims_ignore_leases: {"q01": "in somebody's hands|I7 attempt|I7 completed, with", "q11": "attempt 2 begins"},
    bugs.no_heartbeat: {"w09": "'lost'", "x09": "'lost'"},
    bugs.no_repetition: {"d03": "interrupted|released"},
    bugs.no_second_message: {"q06": "I1 queued", "q08": "I1 queued", "q10": "I1 queued"},
    bugs.no_removal_of_files: {"w04": "I4"},
    bugs.one_key_for_all_attempts: {"w15": "I2"},
    bugs.unknown_is_failure: {"d02": "0 == 1"},
    bugs.no_transaction: {"w05": "I2 completed without a transcript"},
    bugs.leases_by_the_workers_clock: {"x09": "'lost'"},
    bugs.no_breaker: {"b01": r"<= \(3 \+ 5\)|all of them wait"},
    bugs.queue_errors_cost_the_job: {"q11": "'lost'|attempt 2 begins"},
    bugs.nothing_is_given_back: {"w10_a_worker_that_is_told_to_stop_gives_back": "processing"},
    bugs.no_patience_with_the_queue: {"q13": "0.5 <"},
    bugs.no_patience_with_the_database: {"d04": "video is completed|'interrupted'|'released'|'lost'"},
    bugs.a_token_for_each_try: {"d01_a_claim_whose_commit": "video is completed|'lost'"},
    bugs.no_time_limit_for_the_database: {"d05": "notices the silence"},
    bugs.no_look_at_old_connections: {"d10": "500 == 200|503 == 200"},
    bugs.the_servers_time_zone: {"d15": "timedelta"},
    bugs.no_limit_of_size: {"d09_a_transcript_that": "'failed'|transcript_too_large|I1"},
    bugs.no_second_try: {"w12": "'failed' == 'completed'"},
    bugs.all_errors_are_tried_again: {"w13": "'released'|I1 queued"},
    bugs.foreign_messages_are_deleted: {"q04": r"\[\] == "},
    bugs.dead_letters_stay: {"q15_a_dead_letter": "0 == 1"},
    bugs.users_are_not_locked: {"a07": r"== \(10, 50\)"},
    bugs.keys_are_not_remembered: {"a04": "200", "a05": r"\(202, 202\) == \(422, 202\)"},
    bugs.speech_stays_set_aside: {"w16_a_worker_that_is_killed": "I9"},
    bugs.decoders_outlive_their_worker: {"m06_a_decoder_dies": "has outlived its worker"},
    bugs.decoders_that_die_are_not_counted: {"m04_a_video_that": "video is failed"},
    bugs.decoders_are_waited_for: {"m04_a_decoder_that_hangs": "video is completed"},
}


class Tooth(NamedTuple):
    bug: str
    row: str
    says: str

    def bite(self, world: World) -> None:
        """Runs the row."""
        names = [(module, name) for module in MODULES for name in vars(module) if name.startswith(f"test_{self.row}")]
        ((module, name),) = names
        getattr(module, name)(world)


TEETH = [Tooth(bug.__name__, row, says) for bug, rows in CAUGHT.items() for row, says in rows.items()]


@pytest.mark.parametrize("tooth", TEETH, ids=lambda tooth: f"{tooth.row[:3]}-{tooth.bug}")
def test_a_row_fails_without_the_guard_that_it_proves(tooth, world):
    world.bug = tooth.bug
    world.patience = PATIENCE

    with pytest.raises(AssertionError, match=tooth.says):
        tooth.bite(world)


def test_every_bug_is_caught_by_some_row():
    assert {bug.__name__ for bug in CAUGHT} == set(bugs.BUGS)
