/* One pass over the features of an outer fold: what nested ridge spends most of its time on.

   For every training set at once: means and residual variances of the columns, and the Gram matrix of columns divided by
   their SD. A general BLAS gets one symmetric product per training set, too little work to hide how it prepares its
   operands (at 96 rows OpenBLAS's dsyrk reaches two thirds of its own dgemm), and each set would scale all columns anew.
   Here some columns at a time are read, centred, described and laid out once for all sets; they are weighted on their way
   into the first cache, and only one triangle is computed. Register tiles and panels after Goto and van de Geijn (2008),
   ACM Trans Math Softw 34:12.

   The file includes itself once per instruction set (WIDTH values in a register). No Python and no BLAS in here:
   `hatch_build.py` compiles it, `fold_pass.py` calls it and says what everything means. */

#ifndef WIDTH

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define DEPTH 192 /* columns at a time: 3 panels of them fill three quarters of a first cache of 48 kB */
#define AT_ONCE 8 /* registers that a small product sums in */
#define INLINE static inline __attribute__((always_inline))

/* As `Plan` of fold_pass.py. */
struct plan {
    size_t n_rows, n_train, n_sets, n_runs, n_parts, n_bases;
    const size_t *rows;        /* n_rows: rows of X, those of a run side by side, held-out rows last */
    const size_t *run_lengths; /* n_runs */
    const size_t *run_parts;   /* n_runs: products of each run */
    const double *products;    /* for each run, parts x length */
    const double *projections; /* n_bases x n_parts */
    const double *variances;   /* n_sets x (n_runs + n_bases) */
    const size_t *set_rows;    /* n_sets: how many of the rows a Gram matrix has */
    double delicate_share, offset_share;
};

struct workspace {
    double *chunk;    /* n_rows x DEPTH: centred columns */
    double *means;    /* DEPTH */
    double *parts;    /* n_parts x DEPTH */
    double *squares;  /* (n_runs + n_bases) x DEPTH */
    double *weights;  /* n_sets x DEPTH */
    double *laid;     /* the chunk in panels of WIDTH rows, column by column */
    double *weighted; /* three panels */
    double *sums;     /* for each set its lower triangle, rows padded to whole panels */
};

static size_t padded_rows(size_t rows, size_t width) { return (rows + width - 1) / width * width; }

static double *values(size_t how_many)
{
    return aligned_alloc(ALIGNMENT, padded_rows(how_many, ALIGNMENT / sizeof(double)) * sizeof(double));
}

static double *zeros(size_t how_many)
{
    double *found = values(how_many);
    return found ? memset(found, 0, how_many * sizeof(double)) : NULL;
}

#define WIDTH 8
#define TARGET __attribute__((target("avx512f,fma")))
#define NAMED(name) name##_avx512
#include "fold_pass.c"
#undef WIDTH
#undef TARGET
#undef NAMED

#define WIDTH 4
#define TARGET __attribute__((target("avx2,fma")))
#define NAMED(name) name##_avx2
#include "fold_pass.c"
#undef WIDTH
#undef TARGET
#undef NAMED

#ifndef SOURCE_DIGEST
#define SOURCE_DIGEST ""
#endif

/* SHA-256 of the file this was compiled from. */
const char *fold_pass_source(void) { return SOURCE_DIGEST; }

/* Values in a register of this processor: 8 (AVX-512), 4 (AVX2), or 0, and then `fold_pass` must not be called. */
int fold_pass_width(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return 8;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 4;
    return 0;
}

/* Columns of X, `row_stride` values between its rows, in every training set of the plan.

   width     as fold_pass_width() says, or less
   means     n_columns: of the outer training rows; NaN where one of them misses the value
   scales    n_columns: SD of the residuals in the last training set, 1 where delicate
   delicate  n_columns: 1 where differences of sums of squares would lose digits or a training row misses the value;
             such a column is not in the Gram matrices
   grams     n_sets matrices of set_rows x set_rows, added to
   returns   0; 1 where memory is short, and nothing was written */
int fold_pass(const struct plan *plan, const double *X, ptrdiff_t row_stride, size_t n_columns, int width,
              double *means, double *scales, unsigned char *delicate, double *const *grams)
{
    const size_t panel = (size_t)width;
    size_t n_sums = 0;
    for (size_t s = 0; s < plan->n_sets; s++) {
        const size_t padded = padded_rows(plan->set_rows[s], panel);
        n_sums += padded * padded;
    }
    const struct workspace space = {
        .chunk = values(plan->n_rows * DEPTH),
        .means = values(DEPTH),
        .parts = values(plan->n_parts * DEPTH),
        .squares = values((plan->n_runs + plan->n_bases) * DEPTH),
        .weights = values(plan->n_sets * DEPTH),
        .laid = zeros(padded_rows(plan->n_rows, panel) * DEPTH),
        .weighted = values(3 * panel * DEPTH),
        .sums = zeros(n_sums),
    };
    const int enough = space.chunk && space.means && space.parts && space.squares && space.weights && space.laid &&
                       space.weighted && space.sums;
    for (size_t start = 0; enough && start < n_columns; start += DEPTH) {
        const size_t depth = n_columns - start < DEPTH ? n_columns - start : DEPTH;
        (width == 8 ? add_columns_avx512 : add_columns_avx2)(plan, &space, X + start, row_stride, depth, means + start,
                                                             scales + start, delicate + start);
    }
    const double *sums = space.sums;
    for (size_t s = 0; enough && s < plan->n_sets; s++) {
        const size_t n = plan->set_rows[s], padded = padded_rows(n, panel);
        for (size_t j = 0; j < n; j++) {
            grams[s][j * n + j] += sums[j * padded + j];
            for (size_t i = j + 1; i < n; i++) {
                grams[s][j * n + i] += sums[j * padded + i];
                grams[s][i * n + j] += sums[j * padded + i];
            }
        }
        sums += padded * padded;
    }
    free(space.chunk);
    free(space.means);
    free(space.parts);
    free(space.squares);
    free(space.weights);
    free(space.laid);
    free(space.weighted);
    free(space.sums);
    return !enough;
}

#else

typedef double NAMED(vector) __attribute__((vector_size(WIDTH * sizeof(double)), aligned(WIDTH * sizeof(double))));
#define vector NAMED(vector)

/* Read columns, NaN where a value is missing, and centre them on the mean of the training rows, which is what a held-out
   row gets for a missing value. Columns behind the last one are 0. */
TARGET static void NAMED(read)(const struct plan *plan, const struct workspace *space, const double *X,
                               ptrdiff_t row_stride, size_t depth)
{
    double *restrict means = space->means;
    memset(means, 0, DEPTH * sizeof(double));
    for (size_t row = 0; row < plan->n_rows; row++) {
        double *restrict to = space->chunk + row * DEPTH;
        memcpy(to, X + (ptrdiff_t)plan->rows[row] * row_stride, depth * sizeof(double));
        if (depth < DEPTH) memset(to + depth, 0, (DEPTH - depth) * sizeof(double));
        if (row < plan->n_train)
            for (size_t column = 0; column < DEPTH; column++) means[column] += to[column];
    }
    for (size_t column = 0; column < DEPTH; column++) means[column] /= (double)plan->n_train;
    for (size_t row = 0; row < plan->n_rows; row++) {
        double *restrict to = space->chunk + row * DEPTH;
        for (size_t column = 0; column < DEPTH; column++) to[column] -= means[column];
        if (row >= plan->n_train)
            for (size_t column = 0; column < DEPTH; column++) to[column] = to[column] == to[column] ? to[column] : 0.0;
    }
}

/* to = matrix @ from, for DEPTH columns; matrix n_to x n_from. */
TARGET static void NAMED(combine)(const double *matrix, size_t n_to, size_t n_from, const double *from, double *to)
{
    for (size_t start = 0; start < DEPTH; start += AT_ONCE * WIDTH)
        for (size_t row = 0; row < n_to; row++) {
            vector sum[AT_ONCE];
#pragma GCC unroll 8
            for (int k = 0; k < AT_ONCE; k++) sum[k] = (vector){0};
            for (size_t other = 0; other < n_from; other++) {
                const double value = matrix[row * n_from + other];
                const vector *here = (const vector *)(from + other * DEPTH + start);
#pragma GCC unroll 8
                for (int k = 0; k < AT_ONCE; k++) sum[k] += here[k] * value;
            }
#pragma GCC unroll 8
            for (int k = 0; k < AT_ONCE; k++) ((vector *)(to + row * DEPTH + start))[k] = sum[k];
        }
}

/* Residual variances of centred columns in every training set, turned into weights; delicate columns become 0. */
TARGET static void NAMED(describe)(const struct plan *plan, const struct workspace *space, size_t depth, double *means,
                                   double *scales, unsigned char *delicate)
{
    const double *rows = space->chunk, *products = plan->products;
    double *parts = space->parts, *bases = space->squares + plan->n_runs * DEPTH;
    double total[DEPTH] = {0};
    for (size_t run = 0; run < plan->n_runs; run++) {
        const size_t length = plan->run_lengths[run];
        double *restrict squares = space->squares + run * DEPTH;
        NAMED(combine)(products, plan->run_parts[run], length, rows, parts);
        memset(squares, 0, DEPTH * sizeof(double));
        for (size_t row = 0; row < length; row++)
            for (size_t column = 0; column < DEPTH; column++)
                squares[column] += rows[row * DEPTH + column] * rows[row * DEPTH + column];
        for (size_t column = 0; column < DEPTH; column++) total[column] += squares[column];
        products += plan->run_parts[run] * length;
        parts += plan->run_parts[run] * DEPTH;
        rows += length * DEPTH;
    }
    NAMED(combine)(plan->projections, plan->n_bases, plan->n_parts, space->parts, bases);
    for (size_t place = 0; place < plan->n_bases * DEPTH; place++) bases[place] *= bases[place];
    NAMED(combine)(plan->variances, plan->n_sets, plan->n_runs + plan->n_bases, space->squares, space->weights);
    for (size_t column = 0; column < depth; column++) {
        const double offset = plan->offset_share * space->means[column];
        const double share = plan->delicate_share * total[column] / (double)plan->n_train;
        const double bound = share > offset * offset ? share : offset * offset;
        int sound = 1; /* comparisons with NaN are false */
        for (size_t s = 0; s < plan->n_sets; s++) sound &= space->weights[s * DEPTH + column] > bound;
        means[column] = space->means[column];
        scales[column] = sound ? __builtin_sqrt(space->weights[(plan->n_sets - 1) * DEPTH + column]) : 1.0;
        delicate[column] = (unsigned char)!sound;
        for (size_t s = 0; s < plan->n_sets; s++) {
            double *weight = space->weights + s * DEPTH + column;
            *weight = sound ? 1.0 / *weight : 0.0;
        }
        if (!sound)
            for (size_t row = 0; row < plan->n_rows; row++) space->chunk[row * DEPTH + column] = 0.0;
    }
}

/* The chunk in panels of WIDTH rows, column by column; rows that fill up the last panel stay 0. */
TARGET static void NAMED(lay_out)(const double *chunk, size_t n_rows, size_t depth, double *laid)
{
    for (size_t first = 0; first < n_rows; first += WIDTH, laid += WIDTH * DEPTH) {
        const double *from = chunk + first * DEPTH;
        if (n_rows - first >= WIDTH) {
            for (size_t column = 0; column < depth; column++)
#pragma GCC unroll 8
                for (size_t row = 0; row < WIDTH; row++) laid[column * WIDTH + row] = from[row * DEPTH + column];
        } else {
            for (size_t column = 0; column < depth; column++)
                for (size_t row = 0; row < n_rows - first; row++)
                    laid[column * WIDTH + row] = from[row * DEPTH + column];
        }
    }
}

/* sums[j][i] += sum over columns of left[i] right[j]: `height` panels of WIDTH rows by one panel, all in registers. */
TARGET INLINE void NAMED(tile)(const int height, const double *left, const double *right, size_t depth, double *sums,
                               size_t stride)
{
    vector sum[3][WIDTH];
#pragma GCC unroll 8
    for (int j = 0; j < WIDTH; j++)
#pragma GCC unroll 3
        for (int h = 0; h < height; h++) {
            sum[h][j] = (vector){0};
            __builtin_prefetch(sums + j * stride + h * WIDTH, 1);
        }
    for (size_t column = 0; column < depth; column++) {
        vector rows[3];
#pragma GCC unroll 3
        for (int h = 0; h < height; h++) rows[h] = *(const vector *)(left + (h * DEPTH + column) * WIDTH);
#pragma GCC unroll 8
        for (int j = 0; j < WIDTH; j++) {
            const double value = right[column * WIDTH + j];
#pragma GCC unroll 3
            for (int h = 0; h < height; h++) sum[h][j] += rows[h] * value;
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < WIDTH; j++)
#pragma GCC unroll 3
        for (int h = 0; h < height; h++) *(vector *)(sums + j * stride + h * WIDTH) += sum[h][j];
}

/* sums += rows diag(weights) rows', lower triangle, for the first rows that were laid out. */
TARGET static void NAMED(add_product)(const double *laid, size_t n_rows, size_t depth, const double *weights,
                                      double *weighted, double *sums)
{
    const size_t padded = padded_rows(n_rows, WIDTH), panels = padded / WIDTH;
    for (size_t first = 0; first < panels; first += 3) {
        const size_t end = panels - first < 3 ? panels : first + 3;
        for (size_t panel = first; panel < end; panel++)
            for (size_t column = 0; column < depth; column++)
                *(vector *)(weighted + ((panel - first) * DEPTH + column) * WIDTH) =
                    *(const vector *)(laid + (panel * DEPTH + column) * WIDTH) * weights[column];
        for (size_t other = 0; other < end; other++) {
            const size_t from = other > first ? other : first; /* what lies above the diagonal is not needed */
            const double *left = weighted + (from - first) * DEPTH * WIDTH, *right = laid + other * DEPTH * WIDTH;
            double *sum = sums + other * WIDTH * padded + from * WIDTH;
            switch (end - from) {
            case 3: NAMED(tile)(3, left, right, depth, sum, padded); break;
            case 2: NAMED(tile)(2, left, right, depth, sum, padded); break;
            default: NAMED(tile)(1, left, right, depth, sum, padded);
            }
        }
    }
}

TARGET static void NAMED(add_columns)(const struct plan *plan, const struct workspace *space, const double *X,
                                      ptrdiff_t row_stride, size_t depth, double *means, double *scales,
                                      unsigned char *delicate)
{
    NAMED(read)(plan, space, X, row_stride, depth);
    NAMED(describe)(plan, space, depth, means, scales, delicate);
    NAMED(lay_out)(space->chunk, plan->n_rows, depth, space->laid);
    double *sums = space->sums;
    for (size_t s = 0; s < plan->n_sets; s++) {
        NAMED(add_product)(space->laid, plan->set_rows[s], depth, space->weights + s * DEPTH, space->weighted, sums);
        const size_t padded = padded_rows(plan->set_rows[s], WIDTH);
        sums += padded * padded;
    }
}

#undef vector
#endif
