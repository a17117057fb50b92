"""The six lessons of examples/lessons as pages: their text, code, results and pictures as the notebooks keep them."""

from __future__ import annotations

import re
from pathlib import Path

import mkdocs_gen_files
from nbconvert import MarkdownExporter

LESSONS = Path(__file__).resolve().parents[2] / "examples" / "lessons"
NEEDS = "*For whoever knows calculus and a little Python. About an hour, with the exercises an evening.*"

navigation = []
for notebook in sorted(LESSONS.glob("*.ipynb")):
    text, resources = MarkdownExporter().from_filename(str(notebook))
    title = re.search(r"^# (.+)$", text, re.M)[1]
    for name, data in resources["outputs"].items():
        with mkdocs_gen_files.open(f"learn/lessons/{notebook.stem}/{name}", "wb") as file:
            file.write(data)
        text = text.replace(f"]({name})", f"]({notebook.stem}/{name})")
    # A picture's alternative text is what the text before it announces.
    text = re.sub(r"!\[(?:png|svg|jpeg)\]", f"![A picture drawn by the cell above, of the lesson {title!r}]", text)
    text = re.sub(r"\]\((\d_[a-z_0-9]+)\.ipynb\)", r"](\1.md)", text)
    # Links to files of the repository, of which the site has none, become their names.
    text = re.sub(r"(?<!!)\[([^\]]*)\]\((?:\.\./\.\./)([\w/.]+)\)", r"\1 (`\2`)", text)
    text = re.sub(r"(?<!!)\[([^\]]*)\]\((\w+\.py)\)", r"\1 (`examples/lessons/\2`)", text)
    for picture in re.findall(r"!\[[^\]]*\]\(([\w-]+\.png)\)", text):  # that lies beside the notebook
        if (LESSONS / picture).exists():
            with mkdocs_gen_files.open(f"learn/lessons/{picture}", "wb") as file:
                file.write((LESSONS / picture).read_bytes())
    text = text.replace(
        f"# {title}\n", f"# {title}\n\n{NEEDS} The notebook is `examples/lessons/{notebook.name}`.\n", 1
    )
    page = f"learn/lessons/{notebook.stem}.md"
    with mkdocs_gen_files.open(page, "w") as file:
        file.write(text)
    navigation.append(f"* [{title}]({notebook.stem}.md)\n")

with mkdocs_gen_files.open("learn/lessons/SUMMARY.md", "w") as file:
    file.writelines(navigation)
