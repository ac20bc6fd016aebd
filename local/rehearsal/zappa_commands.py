"""What Zappa does with the function, from its first deployment to its end."""

import zipfile
from pathlib import Path

from local.rehearsal.scene import FUNCTION, MIGRATIONS, PACKAGE, PROJECT, STAGE, Scene, expect


def deploy(scene: Scene) -> str:
    """Zappa touches the API itself, at the address that it prints."""
    done = scene.zappa("deploy", STAGE, "-z", str(PACKAGE))
    expect("Deployment complete" in done.stdout, done.stdout)
    address = next(word for word in done.stdout.split() if ".execute-api." in word and word.startswith("https://"))
    scene.visitor.api = address.rstrip("!") + "/yt-backend"
    return address


def deploy_migrations(scene: Scene) -> str:
    """A function of its own moves the tables, before the new code serves anybody; nobody reaches it by HTTP."""
    done = scene.zappa("deploy", MIGRATIONS, "-z", str(PACKAGE))
    expect("Deployment complete" in done.stdout, done.stdout)
    apis = scene.aws.client("apigateway").get_rest_apis()["items"]
    expect(not apis, apis)
    return f"{PROJECT}-{MIGRATIONS}"


def migrate(scene: Scene) -> str:
    """The tables, through that function."""
    done = scene.zappa("manage", MIGRATIONS, "migrate --noinput")
    expect("Applying videos.0001_initial" in done.stdout + scene.log(f"{PROJECT}-{MIGRATIONS}"), done.stdout)
    expect(scene.database.ask("SELECT COUNT(*) FROM videos") == 0, "there are videos already")
    return f"{scene.database.ask('SELECT COUNT(*) FROM django_migrations')} migrations"  # noqa: S608 - it is no query


def fail_a_command(scene: Scene) -> str:
    """A command that fails ends `zappa manage` with an error, so that a script stops."""
    done = scene.zappa("manage", STAGE, "migrate videos 9999_never", check=False)
    expect(done.returncode != 0, done.stdout)
    return f"exit code {done.returncode}"


def check_settings(scene: Scene) -> str:
    """What `manage.py check --deploy` finds in the deployed function."""
    scene.zappa("manage", STAGE, "check --deploy --fail-level WARNING")
    return "no warnings"


def update_and_roll_back(scene: Scene) -> str:
    """A package of another version is deployed, and the one before it comes back."""
    before = scene.visitor.call("GET", "").json()["version"]
    scene.zappa("update", STAGE, "-z", str(_with_version(scene.folder / "next.zip", f"{before}-next")))
    expect(scene.visitor.call("GET", "").json()["version"] == f"{before}-next", "the update is not live")
    scene.zappa("rollback", STAGE, "-n", "1")
    expect(scene.visitor.call("GET", "").json()["version"] == before, "the version before is not live")
    return f"{before} → {before}-next → {before}"


def tail(scene: Scene) -> str:
    """What the function wrote: of the command that failed, of the sweep."""
    shown = scene.zappa("tail", STAGE, "--disable-keep-open", "--since", "1h").stdout
    expect("9999_never" in shown and "sent 1, taken back 0" in shown, shown)
    return f"{len(shown.splitlines())} lines"


def undeploy(scene: Scene) -> str:
    """Nothing of both is left, and the stack is."""
    for stage in (STAGE, MIGRATIONS):
        scene.zappa("undeploy", stage, "--yes")
    expect(scene.visitor.call("GET", "").status == 403, "the API still answers")
    functions = [found["FunctionName"] for found in scene.aws.client("lambda").list_functions()["Functions"]]
    rules = [found["Name"] for found in scene.aws.client("events").list_rules(NamePrefix=FUNCTION)["Rules"]]
    apis = scene.aws.client("apigateway").get_rest_apis()["items"]
    expect(functions == [scene.resources["Refresher"]] and not rules and not apis, (functions, rules, apis))
    return "functions, API and schedule are gone"


def _with_version(target: Path, version: str) -> Path:
    """The package, but for the version that it says it has."""
    with zipfile.ZipFile(PACKAGE) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename.startswith("ytbackend/__pycache__/settings."):
                continue  # Python would take it unseen
            content = old.read(entry)
            if entry.filename == "ytbackend/settings.py":
                before, _, after = content.decode().partition('VERSION = "')
                content = f'{before}VERSION = "{version}"{after.partition(chr(34))[2]}'.encode()
            new.writestr(entry, content)
    return target
