#!/usr/bin/env bash
# Installs what a build needs on Debian 12. Quick when everything is there.
#   tools/setup.sh runtime   packages for the program `changepilot`
#   tools/setup.sh learn     and a LibTorch 2.x for `changepilot-learn`, in .deps/venv
#   tools/setup.sh test      and the packages of the tests
#   tools/setup.sh bench     packages for the program and for the micro-benchmarks (-DCP_BUILD_BENCH=ON)
# CP_TORCH_ROOT names a torch 2.x package that is to be used instead; CP_TORCH_INDEX names another package index to take
# the wheel from (PyTorch's own index of CPU wheels saves gigabytes where there is no NVIDIA card).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly torch_version=2.13.0
readonly runtime_packages=(
  cmake g++ ninja-build ccache pkg-config
  nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libfmt-dev libssl-dev zlib1g-dev
  libpng-dev libjpeg62-turbo-dev libtiff-dev libfreetype-dev fonts-wqy-microhei libutf8proc-dev libstemmer-dev)
readonly learn_packages=(python3 python3-venv)
readonly bench_packages=(libbenchmark-dev)
readonly test_packages=(libgtest-dev libgmock-dev clang-format-14 git)

install_packages() {
  if ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here; install what these Debian packages hold: $*" >&2
    return
  fi
  local missing=() package
  for package in "$@"; do
    [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  local sudo=()
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || { echo "setup: run as root: apt-get install ${missing[*]}" >&2; exit 1; }
    sudo=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Does python3 (or the interpreter given) have a torch 2.x? Looks, without loading it.
has_torch_2() {
  "$1" - <<'PY' 2>/dev/null
import importlib.util, pathlib, re, sys
spec = importlib.util.find_spec("torch")
text = pathlib.Path(spec.submodule_search_locations[0], "version.py").read_text()
sys.exit(0 if re.search(r"__version__ = '2\.", text) else 1)
PY
}

install_torch() {
  local venv=.deps/venv stamp=.deps/torch-$torch_version
  if [[ -n "${CP_TORCH_ROOT:-}" || -e $stamp ]]; then return; fi
  if [[ ! -d $venv ]] && has_torch_2 python3; then return; fi  # the same torch that cmake/torch.cmake finds
  echo "setup: installing torch $torch_version into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile
             ${CP_TORCH_INDEX:+--index-url "$CP_TORCH_INDEX"} "torch==$torch_version")
  "${pip[@]}" --no-deps  # headers and libraries are all we need ...
  grep -q '^cuda.*None' "$venv"/lib/python3*/site-packages/torch/version.py || "${pip[@]}"  # ... but CUDA's come in other packages
  touch "$stamp"
}

case "${1:-}" in
  runtime) install_packages "${runtime_packages[@]}" ;;
  learn) install_packages "${runtime_packages[@]}" "${learn_packages[@]}" && install_torch ;;
  test) install_packages "${runtime_packages[@]}" "${learn_packages[@]}" "${test_packages[@]}" && install_torch ;;
  bench) install_packages "${runtime_packages[@]}" "${bench_packages[@]}" ;;
  *) echo "usage: tools/setup.sh runtime|learn|test|bench" >&2; exit 2 ;;
esac
