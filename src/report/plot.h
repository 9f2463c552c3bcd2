#pragma once
// In:  numbers.
// Out: one figure as inline SVG; colours come from the page's style, so that light and dark pages need one figure.
// Not here: what is drawn (figures.h).

#include <span>
#include <string>
#include <vector>

#include "image/point.h"

namespace cp {

struct Axis {
  double low = 0, high = 1;
  std::vector<double> ticks;
  int decimals = 1;
  std::string label;
  int exponent = 0;  // tick texts show value / 10^exponent
};

// Ticks at multiples of 1, 2 or 5 times a power of ten, about `count` of them; `low` and `high` are widened to hold all
// values, not to the next tick. What is not finite counts as 0 .. 1.
Axis nice_axis(double low, double high, std::string label, int count = 4);
// Exactly [low, high] with the given ticks.
Axis fixed_axis(double low, double high, std::vector<double> ticks, int decimals, std::string label);

// Points in data coordinates; what is not finite breaks a line. `css` is a class of the page's style, `tip` a text
// shown for the mark (escaped here).
class Plot {
 public:
  // `title` is what a screen reader says. Sizes in CSS px at natural size; the figure shrinks with its column.
  Plot(std::string title, Axis x, Axis y, int width = 320, int height = 220);

  void line(std::span<const Point> points, const char* css);
  void band(std::span<const Point> lower, std::span<const Point> upper, const char* css);
  void bar(double x0, double x1, double y, const char* css, const std::string& tip = "");
  void whisker(double x, double low, double high, const char* css);
  void dot(const Point& at, double radius, const char* css, const std::string& tip = "");
  void level(double y, const char* css);    // a line across
  void upright(double x, const char* css);  // a line from bottom to top
  // `anchor` start, middle or end; dx, dy in px
  void note(const Point& at, const std::string& text, const char* anchor = "start", double dx = 0, double dy = 0);

  std::string svg() const;

 private:
  double px(double x) const;
  double py(double y) const;

  std::string title_;
  Axis x_, y_;
  int width_, height_;
  std::string marks_;
};

// At most about 2 x `buckets` points of a long series: the lowest and highest of each stretch, in order.
std::vector<Point> thinned(const std::vector<Point>& points, std::size_t buckets);

}  // namespace cp
