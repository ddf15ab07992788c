// SPDX-License-Identifier: GPL-2.0-or-later
// The engine's own speed, for `wakepath bench`.
#include "python/bindings/bindings.h"

#include "sim/engine/bench.h"

namespace wakepath::bindings {

void register_bench(py::module_& m) {
  m.def(
      "bench_queue",
      [](int pending) {
        const engine::QueueBench b = [&] {
          py::gil_scoped_release release;
          return engine::bench_queue(pending);
        }();
        return std::make_pair(b.hold_ns, b.hold_cancel_ns);
      },
      py::arg("pending"), "(ns per pop + push, ns with a cancel) with that many events pending.");
}

}  // namespace wakepath::bindings
