"""Shared parts of the checks: blocks of Terraform code, the tables of the READMEs, and the Rust code."""

import json
import pathlib
import re
import sys


def one(pattern, text):
    found = re.search(pattern, text, re.M | re.S)
    return found.group(1) if found else None


def blocks(kind, folder):
    """Name, body and file of every block of that kind; variables.tf before variables-*.tf."""
    for path in sorted(folder.glob("*.tf"), key=lambda path: path.stem):
        for name, body in re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', path.read_text(), re.M | re.S):
            yield name, body, path.name


def described(body):
    """The description, and the text for each attribute in its list. A line can have several: `- a, b: what they are`."""
    text = one(r"description = <<-EOT\n(.*?)\n  EOT", body) or one(r'description = "(.*?)"$', body) or ""
    lines = [line.strip().replace('\\"', '"').replace("|", "\\|") for line in text.split("\n")]
    attributes = {}
    for line in lines:
        if line.startswith("- "):
            names, what = line[2:].split(": ", 1)
            attributes.update({name: what for name in names.split(", ")})
    return " ".join(line for line in lines if not line.startswith("- ")), attributes


def optional(declared):
    """Type and default of an attribute of an object."""
    inner = one(r"^optional\((.*)\)$", declared)
    if inner is None:
        return declared, "required"
    depth = 0
    for at, char in enumerate(inner):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            return inner[:at], f"`{inner[at + 1 :].strip()}`"
    return inner, "`null`"


def inputs(folder, problems):
    yield "| input | type | default | what it is |"
    yield "|---|---|---|---|"
    for name, body, file in blocks("variable", folder):
        what, attributes = described(body)
        default = one(r"^  default\s+= (.*?)$", body)
        default = f"`{default}`" if default else "required"
        if not what:
            problems.append(f"{folder.name}/{file}: {name} has no description")
        shape = one(r"^  type\s*= object\(\{\n(.*?)^  \}\)", body)
        if shape is None:
            kind = one(r"^  type\s*= (.*?)$", body)
            yield f"| `{name}` | `{kind}` | {default} | {what} |"
            continue
        yield f"| `{name}` | object | {default} | {what} |"
        shape = re.sub(r"object\(\{\n.*?^    \}\)", "object", shape, flags=re.M | re.S)
        declared = re.findall(r"^\s*(\w+)\s*= (.*)$", shape, re.M)
        if attributes and [attribute for attribute, _ in declared] != list(attributes):
            problems.append(f"{folder.name}/{file}: the description of {name} does not list its attributes, in their order")
        for attribute, rest in declared if attributes else []:
            kind, value = optional(rest)
            yield f"| `{name}.{attribute}` | `{kind}` | {value} | {attributes.get(attribute, '')} |"


def outputs(folder, problems):
    yield "| output | what it is |"
    yield "|---|---|"
    for name, body, file in blocks("output", folder):
        what, _ = described(body)
        if not what:
            problems.append(f"{folder.name}/{file}: {name} has no description")
        yield f"| `{name}` | {what} |"


def check_tables(folder, problems):
    """Compares the tables between the markers of the README with the code. With --write they are written first."""
    readme = folder / "README.md"
    text = readme.read_text()
    for name, rows in (("inputs", inputs(folder, problems)), ("outputs", outputs(folder, problems))):
        table = f"<!-- {name} -->\n" + "\n".join(rows) + f"\n<!-- end of {name} -->"
        if "--write" in sys.argv:
            text = re.sub(rf"<!-- {name} -->.*?<!-- end of {name} -->", lambda _: table, text, flags=re.S)
            readme.write_text(text)
        if table not in text:
            problems.append(f"{folder.name}/README.md: the table of {name} differs from the code; run {pathlib.Path(sys.argv[0]).name} --write")


def sources(root, *folders):
    """The code without its tests."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.rs")):
            if not {"tests", "tests.rs", "testing"} & set(path.relative_to(root / folder).parts):
                yield path, re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", path.read_text())[0]


def check_validations(folder, problems):
    for name, body, file in blocks("variable", folder):
        if "validation {" not in body and not re.search(r"type\s+= (bool|map\(string\))", body):
            problems.append(f"{folder.name}/{file}: {name} has no validation")


def check_fixed_properties(root, module, problems):
    """The module refuses the properties that the program sets itself, except for the accepted values. With --write its list is written first."""
    code = (root / "shared/config/src/properties.rs").read_text()
    fixed = {name: re.findall(r'"([^"]*)"', allowed) for name, allowed in re.findall(r'^    fixed\("([a-z.]+)", &\[(.*?)\],', code, re.M)}
    if len(fixed) != len(re.findall(r"^    fixed\(", code, re.M)) or not fixed:
        problems.append("shared/config/src/properties.rs: the list of fixed properties cannot be read")
    path = module / "fixed-properties.json"
    if "--write" in sys.argv:
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(allowed)}" for name, allowed in fixed.items())
        path.write_text(f"{{\n{rows}\n}}\n")
    if json.loads(path.read_text()) != fixed:
        problems.append(f"{module.name}/fixed-properties.json is not what the program refuses; run {pathlib.Path(sys.argv[0]).name} --write")


def check_counted(root, platform, counts, problems):
    """The model of costs counts as many alarms as the module creates for a backup."""
    [path] = (root / "functions/local-runner/data").glob("prices-*.json")
    prices = json.loads(path.read_text())[platform]
    for name, count in counts.items():
        if prices.get(name) != count:
            problems.append(f"{path.name}: {platform} has {name} {prices.get(name)}, the module makes {count}")


def check_lists(root, module, problems):
    """Internal topics and the checks of a restore are those of the program."""
    text = "".join(path.read_text() for path in sorted(module.glob("*.tf")))
    for name, file, constant in (("internal_topics", "kafka/src/selection.rs", "NEVER"), ("restore_checks", "config/src/validate.rs", "CHECKS")):
        code = one(rf"const {constant}: \[&str; \d+\] =\s*\[(.*?)\];", (root / "shared" / file).read_text()) or ""
        listed = re.findall(r'"([^"]+)"', one(rf"^  {name}\s+= \[(.*?)\]$", text) or "")
        if not listed or listed != re.findall(r'"([^"]+)"', code):
            problems.append(f"{module.name}: {name} is not what {constant} in shared/{file} is")


def check_writers(root, module, problems):
    """The largest number of threads of a restore is what the program opens."""
    code = (root / "functions/restore-batch/src/writers.rs").read_text()
    threads, files, own_threads, own_files = (one(rf"^const {name}: usize = (\d+);", code) for name in ("THREADS", "FILES", "OWN_THREADS", "OWN_FILES"))
    wanted = f"min(floor({threads} / (brokers + {own_threads})), floor({files} / (2 * brokers + {own_files})))"
    if not any(wanted in path.read_text().replace("local.fewest_brokers", "brokers") for path in module.glob("*.tf")):
        problems.append(f"{module.name}: the limit of restore.threads is not {wanted}, which is what restore-batch/src/writers.rs does")


def finish(problems):
    """Prints them and ends the program."""
    for problem in problems:
        print(problem)
    print(f"{pathlib.Path(sys.argv[0]).name}: {len(problems)} problems")
    sys.exit(1 if problems else 0)
