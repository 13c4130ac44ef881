#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        printf("%ld\n", strtol(argv[i], NULL, 10) * 2);
    }
    return 0;
}
