#include "core/json.h"

#include "core/file.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::throws_user_error;

Json parse(const std::string& text) { return parse_json(text, "x.json", ErrorKind::model); }

TEST(JsonText, HostileTextIsRefused) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "not valid JSON"},
      {"{", "not valid JSON"},
      {"{} x", "not valid JSON"},
      {"{\"a\": 1, \"a\": 2}", "\"a\" stands twice"},
      {"{\"o\": {\"a\": 1, \"b\": {\"a\": 0}, \"a\": 2}}", "\"a\" stands twice"},
      {"\"\xff\"", "not valid JSON"},
      {std::string(33, '[') + std::string(33, ']'), "deeper than 32"},
      {std::string(1000000, '['), "deeper than 32"},
      {"1e999", "not valid JSON"},
  };
  for (const auto& [text, part] : cases)
    EXPECT_TRUE(throws_user_error([&] { parse(text); }, ErrorKind::model, {"x.json", part})) << text.substr(0, 40);
  EXPECT_EQ(parse(std::string(32, '[') + std::string(32, ']')).size(), 1u);
  EXPECT_EQ(parse("[{\"a\": 1}, {\"a\": 2}]").size(), 2u) << "one key in two objects is fine";
}

TEST(JsonText, MembersAreCheckedForPresenceTypeAndRange) {
  const Json object = parse(R"({"s": "t", "n": 1.5, "i": 7, "b": true, "big": 18446744073709551615})");
  const auto refuses = [&](const std::function<void()>& call, std::initializer_list<const char*> parts) {
    return throws_user_error(call, ErrorKind::data, parts);
  };
  EXPECT_EQ(json_string(object, "s", "x", ErrorKind::data), "t");
  EXPECT_EQ(json_number(object, "n", "x", ErrorKind::data), 1.5);
  EXPECT_EQ(json_number(object, "i", "x", ErrorKind::data), 7);
  EXPECT_EQ(json_integer(object, "i", "x", ErrorKind::data, 7, 7), 7);
  EXPECT_TRUE(json_bool(object, "b", "x", ErrorKind::data));
  EXPECT_TRUE(refuses([&] { json_string(object, "none", "x", ErrorKind::data); }, {"x: \"none\" is missing"}));
  EXPECT_TRUE(
      refuses([&] { json_string(object, "i", "x", ErrorKind::data); }, {"\"i\": wanted a string, found number"}));
  EXPECT_TRUE(refuses([&] { json_integer(object, "n", "x", ErrorKind::data, 0, 9); }, {"whole number"}));
  EXPECT_TRUE(refuses([&] { json_integer(object, "i", "x", ErrorKind::data, 8, 9); }, {"wanted 8 to 9, found 7"}));
  EXPECT_TRUE(
      refuses([&] { json_integer(object, "big", "x", ErrorKind::data, 0, 9); }, {"found 18446744073709551615"}));
  EXPECT_TRUE(refuses([&] { json_bool(object, "i", "x", ErrorKind::data); }, {"true or false"}));
  EXPECT_TRUE(refuses([&] { json_bool(Json::array(), "i", "x", ErrorKind::data); }, {"wanted an object"}));
}

TEST(JsonText, WhatStandsBehindANulByteIsNotIgnored) {
  using namespace std::string_literals;
  EXPECT_TRUE(throws_user_error([] { parse("{}\0garbage"s); }, ErrorKind::model, {"NUL byte at offset 2"}));
  EXPECT_TRUE(throws_user_error([] { parse("{}\0"s); }, ErrorKind::model, {"NUL byte at offset 2"}));
}

TEST(JsonText, FilesAreReadWithinTheirLimit) {
  const auto path = test::fresh_folder("json") / "a.json";
  write_file_durable(path, "{\"a\": [1, 2]}");
  EXPECT_EQ(read_json(path, ErrorKind::data).at("a").size(), 2u);
  EXPECT_TRUE(
      throws_user_error([&] { read_json(path, ErrorKind::data, 5); }, ErrorKind::data, {"a.json", "at most 5"}));
}

}  // namespace
}  // namespace cp
