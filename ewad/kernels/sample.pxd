cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

@cython.final
cdef class Sample:
    cdef readonly object arrays, flags
    cdef double* x
    cdef double* x_now
    cdef double* y
    cdef int64_t* silent
    cdef public Py_ssize_t row, model, number, position
    cdef public int warm, ready
    cdef public double time, local, value, steady, expected, scale, evenness, lowest, highest
