cimport cython
from cpython cimport array
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.lines cimport LinesKernel

cdef int BOOLEAN, TEXT, MINUS, LOWER_I, LOWER_N
cdef int64_t UNWANTED
cdef Py_ssize_t SPANS

@cython.final
cdef class LineRows:
    cdef LinesKernel lines
    cdef array.array rows, values, times
    cdef double low, high
    cdef int skips_texts
    cdef Py_ssize_t n
    cdef int64_t generation
    cdef int64_t* row_of
    @cython.locals(end=Py_ssize_t, n=Py_ssize_t, lines=LinesKernel)
    cpdef Py_ssize_t take(self, bytes data, double arrival, double latest) except? -1
    @cython.locals(
        n=Py_ssize_t, k=Py_ssize_t, entry=int64_t, row=int64_t, lines=LinesKernel,
    )
    cdef Py_ssize_t wanted(self, double latest)
    @cython.locals(start=Py_ssize_t, size=Py_ssize_t, byte=cython.int)
    cdef int may_be_none(self, Py_ssize_t span)
