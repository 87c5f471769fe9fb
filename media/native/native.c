#include "native.h"

/* Rises when what a function takes or gives changes its meaning. */
int native_version(void)
{
    return 1;
}
