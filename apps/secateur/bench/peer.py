"""How a peer talks with `secateur bench`: a JSON object a line, questions on standard input, answers on standard output.

Whatever else is printed goes to standard error. A failure is an answer too: {"error": "..."}.
"""

import json
import os
import sys


def serve(prepare):
    """`prepare(specification)` returns the first answer and the function that answers every further question."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            first, answer = prepare(json.load(file))
        say(first)
        for line in sys.stdin:
            say(answer(json.loads(line)))
    except ImportError as error:
        say({"error": f"{sys.executable} has no {error.name}: --python names an interpreter that has it"})
    except Exception as error:  # the program shows it and stops
        say({"error": f"{type(error).__name__}: {error}"})
