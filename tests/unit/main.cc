// SPDX-License-Identifier: GPL-2.0-or-later
// Entry of the unit tests. File names become tags ("[#event_queue_test]"), so that ctest runs each file by itself.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

int main(int argc, char* argv[]) {
  Catch::Session session;
  session.configData().filenamesAsTags = true;
#if CATCH_VERSION_MAJOR >= 3
  session.configData().allowZeroTests = true;  // a file without test cases yet is no failure of the suite
#endif
  const int wrong = session.applyCommandLine(argc, argv);
  if (wrong != 0) return wrong;
  return session.run();
}
