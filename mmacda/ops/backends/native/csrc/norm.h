/* A batch norm's scale and shift, alone or folded into the rows of a matrix. */
#ifndef MMACDA_NORM_H
#define MMACDA_NORM_H
#include <math.h>
#include <stdint.h>

/* With a weight (rows x columns): out is rows x (columns + 1), each row times
 * its scale, then its shift. Without: out is the scales, then the shifts.
 * gamma and beta may be null: an affine-free norm. */
void mmacda_fold_norm(int64_t rows, int64_t columns, const float *weight,
                      const float *mean, const float *variance,
                      const float *gamma, const float *beta, double eps,
                      float *out) {
  for (int64_t n = 0; n < rows; n++) {
    double scale = (gamma ? gamma[n] : 1) / sqrt(variance[n] + eps);
    double shift = (beta ? beta[n] : 0) - mean[n] * scale;
    if (!weight) {
      out[n] = (float)scale;
      out[rows + n] = (float)shift;
      continue;
    }
    float *row = out + n * (columns + 1);
    for (int64_t i = 0; i < columns; i++)
      row[i] = weight[n * columns + i] * (float)scale;
    row[columns] = (float)shift;
  }
}
#endif
