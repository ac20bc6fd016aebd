"""Row X02: what is deleted while a worker is busy with it stays deleted."""

import pytest

pytestmark = pytest.mark.faults


def test_x02_a_video_that_is_deleted_between_file_and_row_leaves_neither(world):
    video = world.submit()
    worker = world.worker(world.freeze_at("put"))
    world.wait_for(lambda: worker.frozen, "the file is there and the row is not")
    assert len(world.objects(video)) == 1

    assert world.api().call("DELETE", f"/videos/{video.pk}").status == 204
    worker.thaw()
    worker.terminate()

    assert worker.exit_code(within=20) == 0
    world.converge()
    assert world.status(video) == "deleted"
    assert world.objects(video) == {}
