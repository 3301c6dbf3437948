"""Filter of Doxygen (docs/Doxyfile): plain comments become documentation.

The headers carry their contracts in plain `//` comments, over what they describe or behind it on the same line. Doxygen
wants marked ones. Lines that are indented within a comment - formulas, layouts, examples - stay as they are.
"""

import re
import sys

COMMENT = re.compile(r"^\s*//(?!/)( ?)(.*)$")
TRAILING = re.compile(r"^(?P<code>\s*[^\s/][^\"]*?[;,{}]|\s*[\w:<>]+ = [^\"]*?|\s*\w+)\s+// (?P<text>.*)$")
# What Doxygen would take for a command, a tag or a link.
SPECIAL = re.compile(r"([\\@&$#<>%\"])")


def plain(text):
    return SPECIAL.sub(r"\\\1", text)


def block(lines, indent):
    """One comment: paragraphs as text, indented lines word for word."""
    result = []
    verbatim = False
    for text in lines:
        indented = text.startswith("  ")
        if indented != verbatim and (indented or text.strip()):
            result.append("@verbatim" if indented else "@endverbatim")
            verbatim = indented
        result.append(text if verbatim else plain(text))
    if verbatim:
        result.append("@endverbatim")
    return [f"{indent}/// {line}".rstrip() for line in result]


def converted(lines):
    result = []
    comment = []
    indent = ""
    first = True
    for line in lines + [""]:
        match = COMMENT.match(line)
        if match:
            if not comment:
                indent = line[: len(line) - len(line.lstrip())]
            comment.append(match.group(2))
            continue
        if comment:
            if first:
                comment = ["@file"] + comment
            documentation = block(comment, indent)
            if first:
                documentation[0] = "/// @file"
            # A comment that an empty line follows describes no declaration.
            result += documentation if first or line.strip() else [f"{indent}// {text}" for text in comment]
            comment = []
        first = first and not line.strip()
        trailing = TRAILING.match(line)
        if trailing and not line.lstrip().startswith("}"):
            result.append(f"{trailing['code']}  ///< {plain(trailing['text'])}")
        else:
            result.append(line)
    return result


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        print("\n".join(converted(file.read().split("\n"))))


if __name__ == "__main__":
    main()
