#include "report/html.h"

#include <cmath>

#include <gmock/gmock.h>

#include "core/rng.h"
#include "report/plot.h"
#include "support/test_support.h"

namespace cp {
namespace {

TEST(Html, EscapesWhatCouldEndAnAttributeOrOpenATag) {
  EXPECT_EQ(escape_html("<script>alert('1' & \"2\")</script>"),
            "&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;");
  EXPECT_EQ(escape_html("新建房屋 ½"), "新建房屋 ½");
  EXPECT_EQ(escape_html(std::string("a\0b\x01\x7f\tc\n", 8)), "ab\tc\n");
  EXPECT_EQ(escape_html("a\xff\xc3(b"), "a\xef\xbf\xbd\xef\xbf\xbd(b");
}

// Any bytes: no character is left that HTML gives a meaning, and undoing the entities gives the text back.
TEST(Html, AnyBytesAreHarmless) {
  int seen = 0;
  for (std::uint64_t sample = 0; sample < 400; ++sample) {
    Rng rng(1, Stream::test, 0, sample);
    std::string text;
    for (std::uint64_t i = rng.below(40); i > 0; --i)
      text += rng.chance(.5) ? "<>&\"'/=;"[rng.below(8)] : static_cast<char>(rng.below(256));
    std::string left = escape_html(text);
    EXPECT_EQ(left.find_first_of("<>\"'"), left.npos) << text;
    for (const char* entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"})
      for (std::size_t at; (at = left.find(entity)) != left.npos; ++seen)
        left.replace(at, std::string(entity).size(), "");
    EXPECT_EQ(left.find('&'), left.npos) << text;
  }
  EXPECT_GT(seen, 1000);
}

TEST(Html, Base64IsThatOfTheStandard) {
  // RFC 4648, section 10
  for (const auto& [bytes, text] :
       {std::pair("", ""), std::pair("f", "Zg=="), std::pair("fo", "Zm8="), std::pair("foo", "Zm9v"),
        std::pair("foob", "Zm9vYg=="), std::pair("fooba", "Zm9vYmE="), std::pair("foobar", "Zm9vYmFy")})
    EXPECT_EQ(base64(bytes), text);
  EXPECT_EQ(base64("\xfb\xff\xfe"), "+//+");
  EXPECT_EQ(data_uri("image/png", "foo"), "data:image/png;base64,Zm9v");
}

TEST(Html, NumbersHaveAMinusAndNoNegativeZero) {
  EXPECT_EQ(number_text(-1.25, 1), "−1.2");
  EXPECT_EQ(number_text(-0.0004, 3), "0.000");
  EXPECT_EQ(number_text(0.5, 0), "0");
  EXPECT_EQ(number_text(12.345, 2), "12.35");
  for (const double none : {NAN, INFINITY, -INFINITY}) EXPECT_EQ(number_text(none, 2), "–");
}

TEST(Plot, TicksLieInsideAndAreRound) {
  int seen = 0;
  for (const auto& [low, high] : {std::pair(0.0, 1.0), std::pair(-3.0, 17.0), std::pair(0.0, 3e-5), std::pair(1e6, 9e6),
                                  std::pair(5.0, 5.0), std::pair(0.0, 0.0), std::pair(2.0, 1.0)}) {
    const Axis axis = nice_axis(low, high, "x");
    EXPECT_LT(axis.low, axis.high);
    EXPECT_GE(axis.ticks.size(), 2u) << low << " " << high;
    EXPECT_LE(axis.ticks.size(), 9u) << low << " " << high;
    for (const double tick : axis.ticks) {
      EXPECT_GE(tick, axis.low - 1e-9 * std::fabs(axis.high));
      EXPECT_LE(tick, axis.high * (1 + 1e-9) + 1e-12);
      ++seen;
    }
  }
  EXPECT_GT(seen, 20);
  EXPECT_EQ(nice_axis(NAN, INFINITY, "").high, 1);
  EXPECT_EQ(nice_axis(0, 3e-5, "").exponent, -5);
}

TEST(Plot, WhatIsNotFiniteIsLeftOut) {
  Plot plot("a <b>", nice_axis(0, 1, "x & y"), nice_axis(0, 1, ""));
  const std::vector<Point> line{{0, 0}, {.5, NAN}, {1, 1}};
  plot.line(line, "");
  plot.dot({NAN, 0}, 3, "dot");
  plot.bar(0, 1, INFINITY, "bar");
  plot.whisker(0, NAN, 1, "");
  const std::string svg = plot.svg();
  EXPECT_EQ(svg.find("nan"), svg.npos);
  EXPECT_EQ(svg.find("inf"), svg.npos);
  EXPECT_THAT(svg, ::testing::HasSubstr("x &amp; y"));
  EXPECT_THAT(svg, ::testing::HasSubstr("a &lt;b&gt;"));
}

TEST(Plot, ThinningKeepsThePeaksAndTheOrder) {
  std::vector<Point> points;
  for (int i = 0; i < 10000; ++i) points.push_back({static_cast<double>(i), std::sin(i * .01)});
  points[7777].y = 99;
  const std::vector<Point> thin = thinned(points, 100);
  EXPECT_LE(thin.size(), 200u);
  EXPECT_TRUE(std::is_sorted(thin.begin(), thin.end(), [](const Point& a, const Point& b) { return a.x < b.x; }));
  EXPECT_EQ(std::count_if(thin.begin(), thin.end(), [](const Point& p) { return p.y == 99; }), 1);
  EXPECT_EQ(thinned(points, 10000), points);
}

}  // namespace
}  // namespace cp
