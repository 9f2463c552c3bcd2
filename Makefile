# make demo    answer on a synthetic pair: sets up, builds the program, writes demo/overlay.png (no LibTorch, no Python)
# make test    set up and run every test
# make learn   the trainer, changepilot-learn (gets LibTorch into .deps/)
# make format  format every C++ file
.PHONY: demo runtime learn test format clean
.DEFAULT_GOAL := demo

demo: runtime
	tools/demo.sh

runtime:
	tools/setup.sh runtime
	cmake -S . --preset runtime --log-level=WARNING
	cmake --build --preset runtime --target changepilot

learn:
	tools/setup.sh learn
	cmake -S . --preset release -DCP_BUILD_TESTS=OFF
	cmake --build --preset release --target changepilot changepilot-learn

test:
	tools/setup.sh test
	cmake -S . --preset release -DCP_BUILD_TESTS=ON
	cmake --build --preset release
	ctest --preset release

format:
	tools/check_format.sh --fix

clean:
	rm -rf build demo
