#pragma once
// In:  LibTorch.
// Out: the one include of it that learn/ uses (ATen only: 5 s a file instead of 15 with torch/torch.h).
// Not here: anything of ours.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
