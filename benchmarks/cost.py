"""What the service costs on AWS, by list prices and the figures that were measured.

    python -m benchmarks.cost [--videos 1000] [--speech 0.22] [--minutes 12] [--write]

Prices are those of us-east-1, in US dollars, without free tiers, contracts and taxes. Lambda's and API Gateway's were
looked up in November 2026; AWS' own pages of the others were out of reach, so look at them before you rely on these.
``--write`` puts the table into docs/cost.md, with what is usual; a test holds that it is there.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "cost.md"
BEGIN, END = "<!-- python -m benchmarks.cost --write -->\n", "<!-- end -->\n"
HOURS = 730  # in a month


@dataclass(frozen=True)
class Prices:
    """Dollars. Sources: the pricing page of each service."""

    gateway_request: float = 3.50 / 1e6  # REST API; an HTTP API is 1.00
    lambda_request: float = 0.20 / 1e6
    lambda_gb_second: float = 0.0000166667  # x86
    queue_request: float = 0.40 / 1e6  # SQS, standard
    put: float = 0.005 / 1e3  # S3
    get: float = 0.0004 / 1e3
    stored_gb_month: float = 0.023
    sent_gb: float = 0.09  # to the internet
    log_gb: float = 0.50  # CloudWatch, taken in
    worker_hour: float = 0.1785  # c7i.xlarge, on demand
    worker_processors: int = 4
    database_hour: float = 0.032  # db.t4g.small, one zone
    database_gb_month: float = 0.115
    endpoint_hour: float = 0.01  # an interface endpoint, in one zone


@dataclass(frozen=True)
class Figures:
    """What one thing takes, by docs/speed.md and docs/speech.md; what was not measured says so.

    The function has 0.58 of a processor: 1,769 MB would be one
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
    """

    read_ms: float = 2.0  # GET, warm, with the runtime client, billed in whole milliseconds
    submit_ms: float = 12.0  # POST /analyze: 5 here, the rest assumed for the way to a queue that is not on loopback
    cold_ms: float = 400.0  # 206 here, on a whole processor
    memory_gb: float = 1.0  # as deployed
    caption_cpu_s: float = 0.08  # a job
    speech_cpu_s: float = 700.0  # an hour of sound, model `small`: reckoned from the two that were measured
    # From here on assumed.
    audio_mb_minute: float = 0.5
    transcript_mb: float = 0.03
    log_kb: float = 1.2  # a request: our two lines and Lambda's three
    reads: float = 25.0  # of the API for each video: list, polls, transcript
    cold_share: float = 0.01  # of all requests
    busy: float = 0.5  # of the worker's time; the rest it waits for work
    database_gb: float = 20.0
    endpoints: int = 4  # SQS and Cognito, each in two zones


class Line(NamedTuple):
    """Dollars for one thing, and how it is made of the others."""

    name: str
    dollars: float
    formula: str


def each(videos: float, speech: float, minutes: float, prices: Prices, it: Figures) -> Iterator[Line]:
    """What grows with the videos. ``speech`` is the share that is listened to, ``minutes`` their mean length."""
    requests = videos * (1 + it.reads)
    yield Line("API Gateway", requests * prices.gateway_request, "videos × (1 + reads) × price of a request")
    seconds = videos * (it.submit_ms + it.reads * it.read_ms) / 1e3 + requests * it.cold_share * it.cold_ms / 1e3
    yield Line(
        "Lambda",
        requests * prices.lambda_request + seconds * it.memory_gb * prices.lambda_gb_second,
        "requests × price + (submit + reads × read + cold share × cold) × GB × price of a GB second",
    )
    hours = videos * speech * minutes / 60
    beats = hours * 3600 / 30  # a message in work is hidden for longer four times in two minutes
    yield Line("SQS", (videos * 3 + beats) * prices.queue_request, "(3 × videos + a call each 30 s of work) × price")
    stored = videos * (speech * minutes * it.audio_mb_minute + it.transcript_mb) / 1e3
    yield Line("S3, requests", videos * (1 + speech) * prices.put + videos * prices.get, "one or two PUT, one GET")
    yield Line("S3, kept for a month", stored * prices.stored_gb_month, "(minutes × MB a minute + transcript) × price")
    yield Line("CloudWatch, log", requests * it.log_kb / 1e6 * prices.log_gb, "requests × kB × price")
    yield Line("sent to users", videos * it.transcript_mb * 2 / 1e3 * prices.sent_gb, "the transcript, twice")
    processor_hour = prices.worker_hour / prices.worker_processors / it.busy
    captions = videos * it.caption_cpu_s / 3600 * processor_hour
    yield Line("worker, captions", captions, "videos × CPU s a job × price of a processor hour ÷ busy")
    yield Line(
        "worker, speech",
        hours * it.speech_cpu_s / 3600 * processor_hour,
        "hours of sound × CPU s an hour × price of a processor hour ÷ busy",
    )


def always(prices: Prices, it: Figures) -> Iterator[Line]:
    """What a month costs before anybody comes."""
    yield Line("RDS", HOURS * prices.database_hour, "hours × price; twice that with MultiAZ")
    yield Line("RDS, storage", it.database_gb * prices.database_gb_month, "GB × price")
    yield Line("VPC endpoints", it.endpoints * HOURS * prices.endpoint_hour, "endpoints × zones × hours × price")
    yield Line("SQS, idle polls", HOURS * 180 * prices.queue_request, "three a minute for each worker")


def table(videos: float, speech: float, minutes: float) -> str:
    """Markdown."""
    prices, it = Prices(), Figures()
    lines = [*each(videos, speech, minutes, prices, it)]
    fixed = [*always(prices, it)]
    what = f"{videos:,.0f} videos, {speech:.0%} of them listened to, {minutes:g} min each"
    head = f"| {what} | $ | made of |\n|---|---:|---|\n"
    rows = "".join(f"| {line.name} | {line.dollars:.3f} | {line.formula} |\n" for line in lines)
    rows += f"| **together** | **{sum(line.dollars for line in lines):.2f}** | |\n"
    month = "\n| a month, whoever comes | $ | made of |\n|---|---:|---|\n"
    month += "".join(f"| {line.name} | {line.dollars:.2f} | {line.formula} |\n" for line in fixed)
    month += f"| **together** | **{sum(line.dollars for line in fixed):.2f}** | |\n"
    return head + rows + month


def main() -> None:
    """Prints the table, or puts it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=float, default=1000)
    parser.add_argument("--speech", type=float, default=0.22, help="the share that has no captions")
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    made = table(options.videos, options.speech, options.minutes)
    if not options.write:
        print(made)
        return
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{made}{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
