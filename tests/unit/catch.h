// SPDX-License-Identifier: GPL-2.0-or-later
// The one include of every unit test: Catch2 3 where it is installed, else Catch2 2 (Debian 12).
// Tests use the common ground: TEST_CASE, SECTION, CHECK, REQUIRE, *_THROWS_*, INFO, CAPTURE, GENERATE, and `Approx`.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#elif __has_include(<catch2/catch.hpp>)
#include <catch2/catch.hpp>
#else
#error "Catch2 2 or 3 is needed (Debian: apt install catch2)"
#endif
