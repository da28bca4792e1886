# Two commands matter: `make up` runs the demo alliance, `make test` checks everything.
.PHONY: native

# The native core in its fast-to-build profile, beside the Python sources (for work on the code).
native:
	cargo build --locked -p hansa-py
	cp target/debug/lib_native.so src/hansa/.native.tmp
	mv src/hansa/.native.tmp src/hansa/_native.abi3.so
