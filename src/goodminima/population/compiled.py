"""The bridge from a stack to the compiled kernel, where there is one."""

from typing import assert_never

import torch
from jaxtyping import Float, Int
from torch import Tensor

from goodminima.population import native
from goodminima.population.stack import Conv, Flatten, Linear, Pool, ReLU, Stack

_LEAST_MEMBERS = 4  # members fill the 16 lanes of a register; with fewer PyTorch may be faster, on large nets


def program_of(stack: Stack) -> native.Program:
    """The stack in the kernel's words."""
    return [_instruction(layer) for layer in stack]


def runs_here(theta: Float[Tensor, "P D"]) -> bool:
    """Whether the kernel can and should evaluate these members: float32, on the CPU, enough of them, no gradient asked."""
    return (
        len(theta) >= _LEAST_MEMBERS
        and theta.dtype == torch.float32
        and theta.device.type == "cpu"
        and not (theta.requires_grad and torch.is_grad_enabled())
        and native.available()
    )


def logits(stack: Stack, theta: Float[Tensor, "P D"], x: Float[Tensor, "N ..."]) -> Float[Tensor, "P N C"]:
    """Logits of every member on every example."""
    found = native.logits(program_of(stack), tuple(x.shape[1:]), theta.detach().numpy(), x.float().numpy())
    return torch.from_numpy(found)


def gradient(
    stack: Stack, theta: Float[Tensor, "P D"], x: Float[Tensor, "N ..."], y: Int[Tensor, "N"]
) -> Float[Tensor, "P D"]:
    """Gradient of every member's mean cross entropy over the examples."""
    found = native.gradient(program_of(stack), tuple(x.shape[1:]), theta.detach().numpy(), x.float().numpy(), y.numpy())
    return torch.from_numpy(found)


def _instruction(layer: Conv | Linear | ReLU | Pool | Flatten) -> tuple[str | int, ...]:
    match layer:
        case Conv(weight, bias, inputs, outputs, kernel, stride, padding):
            return ("conv", weight, bias, inputs, outputs, *kernel, *stride, *padding)
        case Linear(weight, bias, inputs, outputs):
            return ("linear", weight, bias, inputs, outputs)
        case Pool(kind, kernel, stride):
            return ("maxpool" if kind == "max" else "avgpool", *kernel, *stride)
        case ReLU():
            return ("relu",)
        case Flatten():
            return ("flatten",)
        case _:
            assert_never(layer)
