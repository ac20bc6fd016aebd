"""The page says what the program reckons."""

from benchmarks import cost


def test_the_page_has_the_table_as_it_is_reckoned_now():
    page = cost.PAGE.read_text("utf-8")

    assert page.partition(cost.BEGIN)[2].partition(cost.END)[0] == cost.table(1000, 0.22, 12)


def test_twice_as_many_videos_cost_twice_as_much():
    once, twice = (
        [line.dollars for line in cost.each(videos, 0.5, 10, cost.Prices(), cost.Figures())] for videos in (100, 200)
    )

    assert [round(2 * dollars, 9) for dollars in once] == [round(dollars, 9) for dollars in twice]


def test_what_has_captions_is_not_listened_to():
    lines = {line.name: line.dollars for line in cost.each(1000, 0, 12, cost.Prices(), cost.Figures())}

    assert lines["worker, speech"] == 0
