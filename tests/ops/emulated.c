/* Calls one function of a library: emulated LIBRARY FUNCTION IMAGE.
 *
 * The image is a file that is written back: 24 arguments, 2 floating-point
 * arguments, the result, the number of pointers, their positions; then what
 * they point to. A pointer is a position in the image until it is called.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Registers for numbers and for floating point are counted apart, and a
 * function does not look at arguments that it lacks: one type fits all. */
#define EIGHT int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, \
    int64_t
typedef int64_t function(EIGHT, EIGHT, EIGHT, double, double);

int main(int count, char **words) {
  struct stat status;
  int file = count == 4 ? open(words[3], O_RDWR) : -1;
  void *library = count == 4 ? dlopen(words[1], RTLD_NOW) : NULL;
  function *call = library ? (function *)dlsym(library, words[2]) : NULL;
  if (!call || fstat(file, &status)) {
    const char *why = dlerror();
    fprintf(stderr, "no such call: %s\n", why ? why : "no image");
    return 1;
  }
  char *image = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     file, 0);
  int64_t *a = (int64_t *)image;
  double *d = (double *)(a + 24);
  for (int64_t i = 0; i < a[27]; i++)
    *(int64_t *)(image + a[28 + i]) += (int64_t)image;
  a[26] = call(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9],
               a[10], a[11], a[12], a[13], a[14], a[15], a[16], a[17], a[18],
               a[19], a[20], a[21], a[22], a[23], d[0], d[1]);
  return 0;
}
