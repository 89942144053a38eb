// The entry point of the unit tests; the tests themselves stand in *_test.cc.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
