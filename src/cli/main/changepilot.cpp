// The program `changepilot`. Everything it does stands in cli/app.h, so that tests and examples can link it too.

#include "cli/app.h"

int main(int argc, char** argv) { return cp::run(argc, argv); }
