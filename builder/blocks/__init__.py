"""The built-in blocks, in the order of the palette."""

from __future__ import annotations

from builder.blocks import convolutional, residual, transformer, unet
from builder.blocks.spec import BlockSpec

BLOCKS: tuple[BlockSpec, ...] = (*residual.BLOCKS, *convolutional.BLOCKS, *unet.BLOCKS, *transformer.BLOCKS)
BY_NAME: dict[str, BlockSpec] = {block.name: block for block in BLOCKS}
