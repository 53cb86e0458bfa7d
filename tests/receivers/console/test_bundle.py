"""Scripts as one: each is run once and after what it needs, and what cannot be that is refused."""

from __future__ import annotations

import pytest

from risk_receivers.console.bundle import BundleError, script


def test_what_is_needed_comes_first_and_only_once_and_names_stay_within() -> None:
    sources = {
        "app": 'import { a, b } from "./left.js";\nimport { c } from "./right.js";\na(b, c);\n',
        "left": 'import { c } from "./right.js";\nexport const a = c;\nexport class b {}\n',
        "right": "const hidden = 1;\nexport async function c() {}\n",
        "unasked": "export const d = 1;\n",
    }
    assert script("app", sources) == (
        "const $right = (() => {\nconst hidden = 1;\nasync function c() {}\nreturn { c };\n})();\n"
        "const $left = (() => {\nconst { c } = $right;\nconst a = c;\nclass b {}\n"
        "return { a, b };\n})();\n"
        "const $app = (() => {\nconst { a, b } = $left;\nconst { c } = $right;\na(b, c);\n"
        "return {  };\n})();\n"
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('import { app } from "./app.js";\n', "these need each other: app, app"),
        ('import { x } from "./gone.js";\n', "app.js needs gone.js, which is not there"),
        ('import * as x from "./app.js";\n', "app.js: import * as x"),
        ('import { app as x } from "./app.js";\n', "app.js: import { app as x"),
        ('import { x, a, y } from "./left.js";\n', "app.js: left.js exports no x, y"),
        ("export let x = 1;\n", "app.js: export let x"),
        ("export default 1;\n", "app.js: export default"),
        ('const x = await import("./app.js");\n', r"app.js: import\("),
    ],
)
def test_what_cannot_be_a_part_is_refused(source: str, said: str) -> None:
    with pytest.raises(BundleError, match=said.replace("*", r"\*")):
        script("app", {"app": source, "left": "export const a = 1, x = 2;\n"})
