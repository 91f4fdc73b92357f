"""Texts of what is said about a request in work, and what they mean: the cases that make_message_vectors.py writes as calls.json.

A valid case is (kind, text, meaning); an invalid one (kind, text, code), and its name says the defect.
"""

from typing import Any, Dict, List, Tuple

Case = Tuple[str, str, Any]


def progress(done: float, total: Any = None, message: str = "", id: int = 1) -> Dict[str, Any]:  # noqa: A002
    """The meaning of a Progress, in which a total that is not known is null."""
    return {"id": id, "done": done, "total": total, "message": message}


def ask(command: str, parameters: str = "", **others: Any) -> Dict[str, Any]:
    """The meaning of an Ask."""
    return {
        "id": 1,
        "command": command,
        "parameters": parameters,
        "form": 0,
        "attachments": [],
        "waiting": False,
        **others,
    }


def answer(result: str = "", **others: Any) -> Dict[str, Any]:
    """The meaning of an Answer."""
    return {
        "id": 1,
        "result": result,
        "form": 0,
        "attachments": [],
        "message": "",
        "error": None,
        **others,
    }


VALID: List[Case] = [
    ("progress", '{"id":1,"done":0.5,"total":2,"message":"caf\u00e9"}', progress(0.5, 2.0, "caf\u00e9")),
    ("progress", '{"id":9223372036854775807,"done":-1e300}', progress(-1e300, id=2**63 - 1)),
    ("progress", '{"id":1,"done":0.' + "0" * 500 + "5}", progress(0.0)),
    ("progress", '{"done":3,"id":1,"total":null,"message":null,"more":[1]}', progress(3.0)),
    ("ask", '{"id":1,"command":"price","parameters":"apple"}', ask("price", "apple")),
    (
        "ask",
        '{"id":1,"command":"sum","parameters":"[[1]]","form":2,"waiting":true}',
        ask("sum", "[[1]]", form=2, waiting=True),
    ),
    (
        "ask",
        '{"id":1,"command":"add","form":1,"attachments":[{"kind":0,"name":"_ask_0"},{"kind":1,"name":"_ask_1"}],"waiting":1}',
        ask("add", form=1, attachments=[[0, "_ask_0"], [1, "_ask_1"]]),
    ),
    ("answer", '{"id":1,"result":"caf\u00e9"}', answer("caf\u00e9")),
    ("answer", '{"result":"","message":"","id":1,"tensors":[],"form":1}', answer(form=1)),
    (
        "answer",
        '{"result":"[{\\"$\\":0},{\\"$\\":1}]","message":"","id":9223372036854775807,"tensors":["_answer_0","_answer_1"],"form":2,"kinds":[0,1]}',
        answer('[{"$":0},{"$":1}]', id=2**63 - 1, form=2, attachments=[[0, "_answer_0"], [1, "_answer_1"]]),
    ),
    (
        "answer",
        '{"result":"error","message":"no","id":1,"tensors":[],"error":{"code":"command_failed","type":"ValueError","message":"no","traceback":"line 1"}}',
        answer(
            "error",
            message="no",
            error={"code": "command_failed", "type": "ValueError", "message": "no", "traceback": "line 1"},
        ),
    ),
]

INVALID: Dict[str, Case] = {
    "progress-cut": ("progress", '{"id":1,"done":0.5', "bad_json"),
    "progress-no-object": ("progress", "[1]", "bad_frame"),
    "progress-without-done": ("progress", '{"id":1}', "bad_frame"),
    "progress-done-is-text": ("progress", '{"id":1,"done":"1"}', "bad_frame"),
    "progress-done-is-infinite": ("progress", '{"id":1,"done":1e999}', "bad_frame"),
    "progress-total-is-a-list": ("progress", '{"id":1,"done":1,"total":[]}', "bad_frame"),
    "progress-message-is-a-number": ("progress", '{"id":1,"done":1,"message":5}', "bad_frame"),
    "progress-id-is-zero": ("progress", '{"id":0,"done":1}', "bad_frame"),
    "ask-cut": ("ask", '{"id":1,"command":', "bad_json"),
    "ask-without-name": ("ask", '{"id":1}', "bad_frame"),
    "ask-of-an-empty-name": ("ask", '{"id":1,"command":""}', "bad_frame"),
    "ask-of-no-form": ("ask", '{"id":1,"command":"f","form":3}', "bad_frame"),
    "ask-attachment-of-no-kind": (
        "ask",
        '{"id":1,"command":"f","attachments":[{"kind":9,"name":"a"}]}',
        "bad_frame",
    ),
    "answer-cut": ("answer", '{"id":1,"result":', "bad_json"),
    "answer-without-result": ("answer", '{"id":1}', "bad_frame"),
    "answer-result-is-a-number": ("answer", '{"id":1,"result":5}', "bad_frame"),
    "answer-of-no-form": ("answer", '{"id":1,"result":"","form":3}', "bad_frame"),
    "answer-attachment-elsewhere": ("answer", '{"id":1,"result":"","tensors":["../a"]}', "bad_frame"),
    "answer-error-without-code": ("answer", '{"id":1,"result":"error","error":{}}', "bad_frame"),
    "ask-attachment-elsewhere": (
        "ask",
        '{"id":1,"command":"f","attachments":[{"kind":0,"name":"../a"}]}',
        "bad_frame",
    ),
}
