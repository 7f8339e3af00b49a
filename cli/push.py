"""``pitome push``: a bundle to the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json

if TYPE_CHECKING:
    from rich.console import Console

    from pitome.serving.hub.push import PushPlan


@app.command()
def push(
    bundle: Bundle,
    repository: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Repository; made if need be.")],
    revision: Annotated[
        str | None, typer.Option("--revision", help="Branch; made if need be. main where none is given.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    token: Annotated[
        str | None,
        typer.Option("--token", help="Of the hub; else HF_TOKEN, or what `hf auth login` left."),
    ] = None,
    allow_random: Annotated[
        bool, typer.Option("--allow-random", help="Send a bundle with random weights; its card says so.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify it and show what would be sent; ask the hub nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Verify a bundle and send it to the Hugging Face hub, in one commit, with a model card."""

    def work(display: Display) -> Result:
        from pitome.serving.hub.push import PushOptions, plan_push, push_bundle

        options = PushOptions(revision, private, token, allow_random)
        with display.step(f"Verify {bundle}"):
            plan = plan_push(bundle, repository, options)
        document = _document(plan)
        if dry_run:
            return document, lambda console: _show_plan(console, plan)
        with display.step(f"Push to {repository}") as report:
            pushed = push_bundle(plan, options, lambda text: report(text, 0, 0))
        found = {"commit": pushed.commit, "url": pushed.url, "removed": list(pushed.removed)}
        told = f'{pushed.url}: load it with pitome.load("{pushed.repository}@{pushed.commit}")'
        if pushed.removed:
            display.note(f"removed there: {', '.join(pushed.removed)}")
        return document | found, lambda console: console.print(told, soft_wrap=True)

    run(work, as_json)


def _document(plan: PushPlan) -> dict[str, Any]:
    files = [{"file": file.name, "bytes": file.size, "sha256": file.sha256} for file in plan.files]
    return {
        "bundle": str(plan.folder),
        "repository": plan.repository,
        "revision": plan.revision,
        "files": files,
        "card": plan.card,
        "not_sent": list(plan.not_sent),
    }


def _show_plan(console: Console, plan: PushPlan) -> None:
    console.print(
        f"{plan.folder} would go to {plan.repository}, branch {plan.revision}: {len(plan.files)} files, "
        f"{plan.size:,} bytes in one commit",
        soft_wrap=True,
    )
    for file in plan.files:
        console.print(f"  {file.size:>15,}  {file.sha256[:12]}  {file.name}", soft_wrap=True)
    console.print("The model card (README.md) would be:", soft_wrap=True)
    for line in plan.card.splitlines():
        console.print(f"  {line}".rstrip(), soft_wrap=True)
