cdef double dot(double* a, Py_ssize_t i, double* b, Py_ssize_t j, Py_ssize_t n) noexcept nogil
cdef void add_multiple(
    double factor, double* x, Py_ssize_t i, double* y, Py_ssize_t j, Py_ssize_t n,
) noexcept nogil
cdef void divide(double* y, Py_ssize_t j, Py_ssize_t n, double by) noexcept nogil
cdef void affine(
    double* x, Py_ssize_t i, double* w, Py_ssize_t j, Py_ssize_t n_x, Py_ssize_t n_y, double* y, Py_ssize_t at,
) noexcept nogil
cdef void add_four(
    double* x, Py_ssize_t i, double* w, Py_ssize_t j, Py_ssize_t n_y, double* y, Py_ssize_t at,
) noexcept nogil
cdef void add_product(
    double* x, Py_ssize_t i, double* e, Py_ssize_t j, double* w, Py_ssize_t at, Py_ssize_t n_x, Py_ssize_t n_y,
) noexcept nogil
cdef void symmetric_product(
    double* p, Py_ssize_t j, double* x, Py_ssize_t i, Py_ssize_t n, double* y,
) noexcept nogil
cdef void symmetric_update(
    double* p, Py_ssize_t j, double* x, double factor, double growth, Py_ssize_t n,
) noexcept nogil
