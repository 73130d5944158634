# Doors onto tools/ and Meson: each target does its own set-up first. `make help` lists them.
.PHONY: help build demo check torture bench install format clean
.PHONY: python python-bench python-package python-robust python-seeds python-suite
.NOTPARALLEL:

help:
	@echo 'make demo      the main job: digests /usr/include and /usr/share with several processes, and with a pool'
	@echo 'make check     all tests and lints; ends with the line "N passed, N failed"; LONG=1: fuzzes, too, for minutes'
	@echo 'make torture   kills at 10,000 instants and after every instruction; searches the models; soaks; fuzzes'
	@echo 'make bench     the same workloads on kith and on its peers; BENCH=--quick, or other options of bench/run.py'
	@echo 'make build     the library and the examples, into build/'
	@echo 'make python    the Python package, in place: PYTHONPATH=python; PYTHON=python3.12 for another interpreter'
	@echo 'make python-robust'
	@echo '               what it does when something goes wrong, and multiprocessing does; writes docs/python-robust.md'
	@echo 'make python-seeds, python-suite'
	@echo '               programs written for multiprocessing, and CPython'"'"'s own tests of it, on the package; the latter'
	@echo '               with each Python and each start method, or with PYTHON= and METHOD=fork'
	@echo 'make python-bench'
	@echo '               the package beside multiprocessing and its rivals, where installed; BENCH=--quick, or other'
	@echo '               options of bench/python.py'
	@echo 'make python-package'
	@echo '               source distribution and wheel, in build-wheel/, tried in clean virtual environments (asks PyPI)'
	@echo 'make install   the library, its headers and kith.pc; into /usr/local, or as PREFIX= says'
	@echo '               (DESTDIR is heeded)'
	@echo 'make format    clang-format over all C and C++ files'
	@echo 'make clean     removes what was built'

build:
	@tools/setup build
	@[ -z "$(PREFIX)" ] || meson configure build --prefix "$(abspath $(PREFIX))"
	@ninja -C build

python:
	@tools/python $(PYTHON)

python-robust: python
	@$(or $(PYTHON),python3) tests/python/robust.py --table

python-seeds: python
	@$(or $(PYTHON),python3) tests/python/seeds.py

python-suite:
	@tools/setup suite
	@tests/python/suite.py --build $(addprefix --python=,$(PYTHON)) $(addprefix --method=,$(METHOD))

python-bench: python
	@$(or $(PYTHON),python3) bench/python.py $(BENCH)

python-package:
	@tools/python-package $(PYTHON)

demo: build
	@tools/demo build

check:
	@tools/setup check
	@tools/check $(if $(LONG),--long)

torture:
	@tools/setup torture
	@tools/torture

bench:
	@tools/setup bench
	@ninja -C build-bench
	@bench/run.py build-bench/bench/kith-bench $(BENCH)
	@bench/codec.py build-bench/bench/kith-codec $(filter --quick,$(BENCH))
	@bench/starts.py build-bench/bench $(filter --quick,$(BENCH))
	@bench/pool.py build-bench/bench $(filter --quick,$(BENCH))
	@bench/manager.py build-bench/bench $(filter --quick,$(BENCH))

install: build
	@meson install -C build --no-rebuild
	@[ -n "$(DESTDIR)$(PREFIX)" ] || ldconfig

format:
	@tools/setup check
	@tools/sources | xargs -0 clang-format -i

clean:
	rm -rf build build-* python/kith/*.so
