"""The little in which the engine's versions differ for us: all of it is here, each part found by looking for it, not by the version's number.

=====================  ==============================  ====================================================================
what                   8.8                             8.9
=====================  ==============================  ====================================================================
state in memory        in Camunda's test engine        nowhere: RocksDB in a temporary folder
state, for migrations  ``ProcessingDbState`` takes 8   it takes the expression language's metrics as the ninth
business id            none: a tag                     a field of ``ProcessInstanceCreationRecord`` (and a tag beside it)
variable in FEEL       its value, or null              an ``Either``, whose left is that
=====================  ==============================  ====================================================================

``tests/contract/test_engine_surface.py`` says for any version what else has moved.
"""

from __future__ import annotations

import functools
from typing import Any

from camunda_workers.engine.embedded.java import java_class, zeebe
from camunda_workers.errors import EngineFailure


def running_version() -> str:
    """The version of the engine that this process runs, as the engine itself says it."""
    return str(zeebe("util.VersionUtil").getVersion())


def memory_database() -> Any:
    """An engine's state in memory; None where this version brings none."""
    try:
        factory = zeebe("process.test.engine.db.InMemoryDbFactory")
    except TypeError:  # as JPype says that there is no such class
        return None
    return factory().createDb()


@functools.cache
def knows_business_ids() -> bool:
    """Whether a process instance has a business id of its own."""
    record = zeebe("protocol.impl.record.value.processinstance.ProcessInstanceCreationRecord").class_
    return any(str(method.getName()) == "setBusinessId" for method in record.getMethods())


@functools.cache
def _finds_either() -> bool:
    methods = zeebe("el.EvaluationContext").class_.getMethods()
    return any(str(one.getReturnType().getSimpleName()) == "Either" for one in methods if str(one.getName()) == "getVariable")


def found_variable(value: Any) -> Any:
    """What an ``EvaluationContext`` answers for a variable: a buffer of MessagePack, or None when there is no such variable."""
    return zeebe("util.Either").left(value) if _finds_either() else value


def processing_state(database: Any, partition: int) -> Any:
    """The engine's state as its migrations see it.

    Raises:
        EngineFailure: this version makes it from something that is not known here.
    """
    context = database.createContext()
    pending = zeebe("engine.state.message.TransientPendingSubscriptionState")
    parts: dict[str, Any] = {
        "int": partition,
        "ZeebeDb": database,
        "TransactionContext": context,
        "KeyGenerator": zeebe("stream.impl.state.DbKeyGenerator")(partition, database, context),
        "EngineConfiguration": zeebe("engine.EngineConfiguration")(),
        "InstantSource": java_class("java.time.InstantSource").system(),
    }
    state = zeebe("engine.state.ProcessingDbState")
    wanted = [str(kind.getSimpleName()) for kind in state.class_.getConstructors()[0].getParameterTypes()]
    if "ExpressionLanguageMetrics" in wanted:
        parts["ExpressionLanguageMetrics"] = zeebe("el.ExpressionLanguageMetrics").noop()
    unknown = [name for name in wanted if name not in parts and name != "TransientPendingSubscriptionState"]
    if unknown:
        raise EngineFailure(f"engine {running_version()} makes its state from {', '.join(unknown)}: versions.py does not know how")
    return state(*(pending() if name == "TransientPendingSubscriptionState" else parts[name] for name in wanted))
