#pragma once
// In:  nothing.
// Out: the style sheet and the script of every page; both are written into the page, so that it needs no other file.
// Not here: HTML (html.h).

namespace cp {

extern const char* const kPageStyle;
// Moves the samples of a case study with its slider. Without it the page shows the last step.
extern const char* const kPageScript;

}  // namespace cp
