"""A bundle's methods as coroutines: they run in threads, so that an event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from pitome.images.decoding import ImageSource
    from pitome.models.tokenizer import Text
    from pitome.runtime.answers import Prediction
    from pitome.runtime.bundle import Bundle
    from pitome.runtime.protocol import Array

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
THREADS = 4
"""Calls of one bundle that run at the same time; the others wait. One call uses several processors itself."""


class AsyncBundle:
    """The methods of a bundle, to be awaited. What each does and raises is said at `Bundle`.

    Args:
        bundle: which is closed by its own `close`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._threads = ThreadPoolExecutor(THREADS, "pitome")

    async def run(self, arrays: Mapping[str, Array], graph: str | None = None) -> dict[str, Array]:
        """As `Bundle.run`."""
        return await self._call(self._bundle.run, arrays, graph)

    async def images(
        self, images: ImageSource | Iterable[ImageSource], batch_size: int | None = None
    ) -> Array:
        """As `Bundle.images`."""
        return await self._call(self._bundle.images, images, batch_size)

    async def texts(
        self,
        texts: Text | Iterable[Text],
        prompt: str | None = None,
        truncate: bool = False,
        batch_size: int | None = None,
    ) -> Array:
        """As `Bundle.texts`."""
        return await self._call(self._bundle.texts, texts, prompt, truncate, batch_size)

    async def classify(
        self,
        inputs: ImageSource | Text | Iterable[ImageSource | Text],
        labels: Sequence[str] | None = None,
        template: str = "a photo of {}",
        top: int = 5,
        truncate: bool = False,
    ) -> list[list[Prediction]]:
        """As `Bundle.classify`."""
        return await self._call(self._bundle.classify, inputs, labels, template, top, truncate)

    async def similarity(
        self,
        images: ImageSource | Iterable[ImageSource] | None = None,
        texts: Text | Iterable[Text] | None = None,
        truncate: bool = False,
    ) -> Array:
        """As `Bundle.similarity`."""
        return await self._call(self._bundle.similarity, images, texts, truncate)

    def close(self) -> None:
        """End the threads; `Bundle.close` calls it."""
        self._threads.shutdown(wait=False)

    async def _call(
        self,
        method: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Result:
        call = functools.partial(method, *arguments, **named)
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._threads, call)
        except RuntimeError:  # the threads have ended with the bundle, and the method says that it is closed
            return call()
        return await future
